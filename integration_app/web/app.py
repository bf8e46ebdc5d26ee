"""The web app's factory. gunicorn calls `create_app()`; tests hand in services of their own.

Doors for programs are an application of their own behind the same address: what pages need (sessions, CSRF, languages,
throttling) would cost each of them a third more, and could only stand in their way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from integration_app import __version__, bootstrap, logs, reporting, tracing
from integration_app.bootstrap import Services
from integration_app.web import (
    draining,
    errors,
    health,
    language,
    operator,
    operator_api,
    request_timeout,
    security,
    setup,
    tools,
    watching,
    webhooks,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE_SECONDS = 8.0
"""A thread of the web waits no longer for Omi: the doors need it."""
BODY_MAX = 1_000_000
"""Bytes that a page or an API takes in; webhooks have limits of their own."""
DOORS = ("/webhooks/", "/omi/", "/.well-known/")
"""What programs call, providers and Omi itself."""
FORM_MEMORY_MAX = 50_000_000
"""Bytes of form text. Werkzeug's default of 500 kB refuses large mails, and some providers then drop them."""


def create_app(services: Services | None = None) -> Flask:
    if services is None:
        services = bootstrap.build(read_timeout_max=PATIENCE_SECONDS)
        logs.configure(services.settings.log_format, services.settings.log_level)
        tracing.configure("web", __version__)
        reporting.configure(services.settings.sentry_dsn, __version__)
        watching.start(services)
    app = _application()
    app.secret_key, *before = services.settings.secret_key
    app.config["SECRET_KEY_FALLBACKS"] = before
    app.register_blueprint(health.blueprint(services))
    if tokens := services.settings.operator_api_token:
        app.register_blueprint(operator_api.blueprint(services, tokens))
    limiter = security.install(app, services)
    if not services.omi.is_personal:  # a personal inbox has no pages: there is no account to prove
        app.register_blueprint(setup.blueprint(services, limiter))
    if services.settings.operator_password_hash or services.settings.operator_proxy_header:
        app.register_blueprint(operator.blueprint(services, limiter, services.settings.operator_password_hash))
    app.wsgi_app = _doors_first(_doors(services), app.wsgi_app)  # type: ignore[method-assign,assignment]
    return app


def _doors(services: Services) -> Flask:
    app = _application()  # without a secret key: there are no sessions to look for
    app.register_blueprint(webhooks.blueprint(services))
    if not services.omi.is_personal:
        app.register_blueprint(tools.blueprint(services))
    return app


def _application() -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX
    app.config["MAX_FORM_MEMORY_SIZE"] = FORM_MEMORY_MAX
    app.config["MAX_FORM_PARTS"] = 2000
    # a redirect would lose the body of a POST
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    draining.install(app)
    request_timeout.install(app)  # before anything that reads a body
    errors.install(app)
    language.install(app)
    return app


def _doors_first(doors: Flask, pages: WSGIApplication) -> WSGIApplication:
    def dispatch(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        is_door = str(environ.get("PATH_INFO", "")).startswith(DOORS)
        return (doors.wsgi_app if is_door else pages)(environ, start_response)

    return dispatch
