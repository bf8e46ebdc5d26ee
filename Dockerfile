# One image for every process type: `docker run … IMAGE web`, `… worker`, `… omi-inbox run`.
# The base by digest (all platforms of 3.13.15-slim-trixie): what was tried is what is built. Dependabot raises it.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY integration_app integration_app
COPY workers workers
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /venv/bin/pip install --no-cache-dir --no-deps .

# Omi on localhost for your own tests: docker build --target sandbox
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS sandbox
RUN pip install --no-cache-dir "flask>=3.1,<4" && useradd --system --uid 10001 --no-create-home sandbox
WORKDIR /app
COPY integration_app/__init__.py integration_app/__init__.py
COPY integration_app/sandbox integration_app/sandbox
USER 10001
EXPOSE 8100
ENTRYPOINT ["python", "-m", "integration_app.sandbox", "--host", "0.0.0.0"]

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS inbox
RUN groupadd --system --gid 10001 inbox \
 && useradd --system --uid 10001 --gid 10001 --no-create-home inbox \
 && install -d -o inbox -m 700 /data
WORKDIR /app
COPY --from=build /venv /venv
COPY Procfile docker-entrypoint.sh ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000 DATA_FOLDER=/data
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
  CMD ["/bin/sh", "/app/docker-entrypoint.sh", "/bin/sh", "-c", \
       "if grep -q -- --slots /proc/1/cmdline; then omi-inbox alive worker; else omi-inbox alive web; fi"]
ENTRYPOINT ["/bin/sh", "/app/docker-entrypoint.sh"]

# Everything in one container, for platforms whose volumes belong to root: it takes the volume over, then drops root.
FROM inbox AS run
# hadolint ignore=DL3002
USER 0
CMD ["omi-inbox", "run"]

FROM inbox
CMD ["web"]
