"""A restart without a refusal: after SIGTERM the web goes on serving for `DRAIN_SECONDS`, and says that it is going.

gunicorn's master gets the signal and tells its workers through shared memory, so that `/readyz` answers 503 and a
balancer sends nobody any more; idle connections are closed with the next answer. Then it stops as it always does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # gunicorn's master reads this module too, and must not import what gevent is to patch in its workers
    from flask import Flask, Response

_is_going = multiprocessing.get_context("fork").RawValue("b", 0)


def is_going() -> bool:
    return bool(_is_going.value)


def seconds() -> float:
    return float(os.environ.get("DRAIN_SECONDS") or 0)


def when_ready(server: Any) -> None:
    """gunicorn's hook, in its master, after it has installed its own signal handlers."""
    if seconds() <= 0:
        return
    stops = signal.getsignal(signal.SIGTERM)

    def on_term(number: int, frame: FrameType | None) -> None:
        if _is_going.value:
            return
        _is_going.value = 1
        timer = threading.Timer(seconds(), _stop, [stops])
        timer.daemon = True
        timer.start()

    signal.signal(signal.SIGTERM, on_term)


def _stop(handler: Any) -> None:
    _is_going.value = 2
    if callable(handler):
        handler(signal.SIGTERM, None)


def install(app: Flask) -> None:
    @app.after_request
    def _close(response: Response) -> Response:
        if is_going():
            response.headers["Connection"] = "close"
        return response
