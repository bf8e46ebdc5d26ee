"""Errors outside the webhooks, as short JSON. Nothing of the request is repeated."""

from __future__ import annotations

import traceback

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
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    # type and places only: the text of an error may repeat what somebody wrote
    log.error("unhandled", error=type(error).__name__, at=[f"{frame.name}:{frame.lineno}" for frame in frames])
    return jsonify(error="Internal Server Error"), 500
