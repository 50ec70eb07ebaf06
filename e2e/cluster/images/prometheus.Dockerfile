FROM scratch
COPY prometheus /usr/local/bin/
ENV PATH=/usr/local/bin
ENTRYPOINT ["/usr/local/bin/prometheus"]
