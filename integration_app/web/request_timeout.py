"""Drop a caller that stalls in the middle of its request, instead of holding a thread."""

from __future__ import annotations

import socket

from flask import Flask, Response, g, request

STALL_SECONDS = 10.0


def install(app: Flask) -> None:
    """Every read of a body raises `TimeoutError` when nothing has come for ten seconds."""

    @app.before_request
    def _wait_no_longer() -> None:
        connection: socket.socket | None = request.environ.get("gunicorn.socket")
        if connection is not None:
            g.patience = connection.gettimeout()
            connection.settimeout(STALL_SECONDS)

    @app.after_request
    def _as_before(response: Response) -> Response:
        connection: socket.socket | None = request.environ.get("gunicorn.socket")
        if connection is not None and "patience" in g:
            connection.settimeout(g.patience)
        return response
