"""Serves the sandbox: one process, a thread per connection, kept-alive connections."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    """HTTP/1.1, so that connections are kept; no line per request (the inspector shows them)."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return

    def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        return

    def connection_dropped(self, error: BaseException, environ: object | None = None) -> None:
        self.close_connection = True


def serve(app: Flask, host: str, port: int) -> None:
    """Until SIGTERM or SIGINT."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server(host, port, app, threaded=True, request_handler=Handler)
    server.daemon_threads = True  # type: ignore[attr-defined]

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(
        f"Omi sandbox on http://{host}:{server.server_port}/, control API below /_sandbox/",
        file=sys.stderr,
        flush=True,
    )
    with server:
        server.serve_forever(poll_interval=0.2)
