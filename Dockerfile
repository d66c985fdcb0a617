# Serinus in a container: no build tools, no root, nothing written outside /tmp and /data.
#
# Unproven: this file has been checked by reading and by tests/test_containers.py, never by a container engine. The base
# image is pinned by its minor version; pin its digest when you publish an image.
#
#   docker build -t serinus .
#   docker run --read-only --tmpfs /tmp -v serinus-data:/data -p 127.0.0.1:8080:8080 -v ./config:/config:ro \
#     -e SERINUS_STORE=redis://… serinus
#
# /data keeps what this installation has seen of its store. Without a volume there a lost store is not recognised after a
# restart, and a canary that was rolled back may run again.
#
# The store must be a Redis or Valkey of yours: the image holds no server for `store: embedded`. And since it listens on
# every address of the container, gateway.yaml must name the `keys` that may call.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements-build.lock requirements-image.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements-build.lock \
 && python -m venv --without-pip /opt/serinus \
 && python -m pip --python /opt/serinus/bin/python install --no-deps --require-hashes --only-binary :all: -r requirements-image.lock
COPY pyproject.toml LICENSE README.md serinus.cdx.json ./
COPY gateway gateway
COPY routing routing
COPY policies policies
COPY evals evals
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && python -m pip --python /opt/serinus/bin/python install --no-deps --no-index /dist/serinus-*.whl \
 && mkdir /data

FROM python:3.11-slim-bookworm
COPY --from=build /opt/serinus /opt/serinus
COPY --from=build --chown=10001:10001 --chmod=0700 /data /data
ENV PATH=/opt/serinus/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SERINUS_CONFIG=/config \
    SERINUS_DATA=/data \
    SERINUS_LISTEN=0.0.0.0:8080
VOLUME /data
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", \
    "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["serinus"]
CMD ["serve"]
