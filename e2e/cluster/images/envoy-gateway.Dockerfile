FROM scratch
COPY envoy-gateway /usr/local/bin/
ENV PATH=/usr/local/bin
ENTRYPOINT ["/usr/local/bin/envoy-gateway"]
