# One image for every service: `docker run intent-suite -m services.edge`.
# BASE may be any Debian-like image with Python 3.11 or newer; the default is the official slim one.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.txt ./
RUN python3 -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE buf.yaml buf.gen.yaml ./
COPY tools tools
COPY protos protos
COPY services services
COPY clients clients
# the generator and the build backend do their work and go; they never reach the final image
RUN /app/bin/python -m tools.generate \
 && /app/bin/python -m hatchling build -t wheel -d /dist \
 && /app/bin/pip install --no-cache-dir --no-deps /dist/intent_suite-*.whl \
 && /app/bin/pip uninstall --yes --quiet buf-bin grpcio-tools hatchling mypy-protobuf pip

FROM ${BASE}
# the interpreter is the base's; the account exists so that the process never runs as root;
# a named volume mounted on the folder belongs to it too
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin intents \
 && install --directory --owner intents --group intents /var/lib/intents
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["/app/bin/python"]
CMD ["-m", "services.embedded"]
