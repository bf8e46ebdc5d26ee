"""No caller holds the web: each read of a body has a time, the whole body a deadline, and all bodies together a size.

Heads are gunicorn's: under gevent it gives each five seconds in all, and a connection that waits costs next to nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, g, request

STALL_SECONDS = 10.0
BODY_SECONDS = 20.0
BYTES_PER_SECOND = 500_000
"""A body has twenty seconds, and one more for each of these."""
BODIES_MAX_BYTES = 200_000_000
"""Of all large bodies that one process reads at a time. What is beyond it waits with the provider."""
SMALL_BYTES = 1_000_000
"""Up to this size a body is read whatever else is."""
_LOOK_SECONDS = 1.0


class Busy(Exception):  # noqa: N818
    """So many bytes are being read that this body has to come again."""


class _Deadlines:
    """Shuts the sockets of requests that are not over in time: any read of theirs ends then."""

    def __init__(self) -> None:
        self._watched: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._running = False

    def watch(self, connection: socket.socket, seconds: float) -> None:
        with self._lock:
            self._watched[connection] = time.monotonic() + seconds
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="bodies", daemon=True).start()

    def done(self, connection: socket.socket) -> None:
        with self._lock:
            self._watched.pop(connection, None)

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            with self._lock:
                late = [connection for connection, ends in self._watched.items() if ends < now]
                for connection in late:
                    del self._watched[connection]
                if not self._watched and not late:
                    self._running = False
                    return
            for connection in late:
                try:
                    connection.shutdown(socket.SHUT_RD)
                except OSError:
                    continue


class _Budget:
    """Bytes that may be read at a time."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._lock = threading.Lock()

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        with self._lock:
            if count > self._left:
                raise Busy
            self._left -= count
        try:
            yield
        finally:
            with self._lock:
                self._left += count


_deadlines = _Deadlines()
_budget = _Budget(BODIES_MAX_BYTES)


@contextmanager
def within_limits(most: int) -> Iterator[None]:
    """Read the body of this request within: at most `most` bytes. Raises `Busy`."""
    length = request.content_length
    count = min(most, most if length is None else length)
    with _budget.taking(count if count > SMALL_BYTES else 0):
        yield


def install(app: Flask) -> None:
    """Every read of a body raises `TimeoutError` when nothing has come for ten seconds, or the whole takes too long."""

    @app.before_request
    def _wait_no_longer() -> None:
        connection: socket.socket | None = request.environ.get("gunicorn.socket")
        if connection is not None:
            g.patience = connection.gettimeout()
            connection.settimeout(STALL_SECONDS)
            if request.content_length or "chunked" in request.headers.get("Transfer-Encoding", ""):
                length = min(request.content_length or 0, BODIES_MAX_BYTES)
                _deadlines.watch(connection, BODY_SECONDS + length / BYTES_PER_SECOND)

    @app.after_request
    def _as_before(response: Response) -> Response:
        connection: socket.socket | None = request.environ.get("gunicorn.socket")
        if connection is not None and "patience" in g:
            _deadlines.done(connection)
            connection.settimeout(g.patience)
        return response
