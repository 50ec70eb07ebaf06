FROM scratch
COPY coredns /usr/local/bin/
ENV PATH=/usr/local/bin
ENTRYPOINT ["/usr/local/bin/coredns"]
