"""The web app's factory. gunicorn calls `create_app()`; tests hand in services of their own."""

from __future__ import annotations

from flask import Flask

from integration_app import bootstrap, logs
from integration_app.bootstrap import Services
from integration_app.web import errors, health, webhooks

FORM_MEMORY_MAX = 50_000_000
"""Bytes of form text. Werkzeug's default of 500 kB refuses large mails, and some providers then drop them for ever."""


def create_app(services: Services | None = None) -> Flask:
    if services is None:
        services = bootstrap.build()
        logs.configure(services.settings.log_format, services.settings.log_level)
    app = Flask(__name__)
    app.secret_key = services.settings.secret_key
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_MEMORY_MAX
    app.config["MAX_FORM_PARTS"] = 2000
    # a redirect would lose the body of a POST
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.register_blueprint(webhooks.blueprint(services))
    app.register_blueprint(health.blueprint(services))
    errors.install(app)
    return app
