"""Errors outside the webhooks: short JSON, or a page for a browser. Nothing of the request is repeated."""

from __future__ import annotations

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from redis.exceptions import RedisError
from werkzeug.exceptions import HTTPException

from integration_app import logs
from integration_app.errors import StoreUnfit

log = logs.get(__name__)

_FOR_PROGRAMS = ("/webhooks/", "/omi/", "/operator/api", "/setup/completed")


def install(app: Flask) -> None:
    app.register_error_handler(HTTPException, _known)
    app.register_error_handler(RedisError, _away)
    app.register_error_handler(StoreUnfit, _unfit)
    app.register_error_handler(TimeoutError, lambda _: _answer(408, "Request Timeout"))
    app.register_error_handler(UnicodeEncodeError, lambda _: _answer(400, "Bad Request"))
    app.register_error_handler(Exception, _unknown)


def _known(error: HTTPException) -> Response:
    return _answer(error.code or 500, error.name)


def _away(error: RedisError) -> Response:
    log.warning("Redis does not answer a page", error=type(error).__name__)
    return _answer(503, "Service Unavailable")


def _unfit(error: StoreUnfit) -> Response:
    log.error("the store cannot be used", why=str(error))
    return _answer(503, "Service Unavailable")


def _unknown(error: Exception) -> Response:
    logs.crash("a page", error)
    return _answer(500, "Internal Server Error")


def _answer(code: int, name: str) -> Response:
    is_browser = "text/html" in request.headers.get("Accept", "")
    if is_browser and not request.path.startswith(_FOR_PROGRAMS):
        g.is_page = True
        return make_response(render_template("error.html", code=code), code)
    return make_response(jsonify(error=name), code)
