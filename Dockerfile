# One image for both process types: `docker run … IMAGE web` and `docker run … IMAGE worker`.
FROM python:3.13-slim AS build
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY integration_app integration_app
COPY workers workers
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
 && /venv/bin/pip install --no-cache-dir --no-deps .

# Omi on localhost for your own tests: docker build --target sandbox
FROM python:3.13-slim AS sandbox
RUN pip install --no-cache-dir "flask>=3.1,<4" && useradd --system --uid 10001 --no-create-home sandbox
WORKDIR /app
COPY integration_app/__init__.py integration_app/__init__.py
COPY integration_app/sandbox integration_app/sandbox
USER sandbox
EXPOSE 8100
ENTRYPOINT ["python", "-m", "integration_app.sandbox", "--host", "0.0.0.0"]

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home inbox
WORKDIR /app
COPY --from=build /venv /venv
COPY Procfile docker-entrypoint.sh ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000
USER inbox
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s \
  CMD if grep -q worker /proc/1/cmdline; then omi-inbox alive worker; else omi-inbox alive web; fi
ENTRYPOINT ["/bin/sh", "/app/docker-entrypoint.sh"]
CMD ["web"]
