"""Errors outside the webhooks, as short JSON. Nothing of the request is repeated."""

from __future__ import annotations

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException

from integration_app import logs

log = logs.get(__name__)


def install(app: Flask) -> None:
    app.register_error_handler(HTTPException, _known)
    app.register_error_handler(Exception, _unknown)


def _known(error: HTTPException) -> tuple[Response, int]:
    return jsonify(error=error.name), error.code or 500


def _unknown(error: Exception) -> tuple[Response, int]:
    log.error("unhandled", error=type(error).__name__, exc_info=error)
    return jsonify(error="Internal Server Error"), 500
