"""Absolute deadlines: a call that is not over in time has its socket shut down, whatever it reads or writes then.

The read time-out counts anew for each piece that arrives, so a peer that drips could hold a call open. Shutting the
socket down from outside ends any read at once, and throws no exception into a thread.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from integration_app.omi.wire.exchange import Exchange, plain

LOOK_SECONDS = 0.5
"""How late a deadline may be kept."""


class Call:
    """`is_sent`: something of its request may have left."""

    __slots__ = ("connection", "deadline", "is_sent", "opening")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connection: Exchange | None = None
        self.opening: socket.socket | None = None
        self.is_sent = False


_here = threading.local()


class _Watched(Exchange):
    def connect(self) -> None:
        self._say_whose()  # a proxy may drip its answer too
        try:
            super().connect()
        finally:
            call: Call | None = getattr(_here, "call", None)
            if call is not None and call.opening is not None:
                call.opening.close()
                call.opening = None

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        call: Call | None = getattr(_here, "call", None)
        if call is not None:
            call.opening = made.dup()  # a handshake takes the socket away from who may shut it down
        return made

    def _send(self, request: bytes) -> None:
        call = self._say_whose()  # again: connecting may have taken all the time there was
        if call is not None:
            call.is_sent = True
        super()._send(request)

    def _say_whose(self) -> Call | None:
        call: Call | None = getattr(_here, "call", None)
        if call is not None:
            if call.deadline < time.monotonic():  # the process was stopped: another worker may have taken over
                raise NewConnectionError(self, "the deadline passed before anything was sent")
            call.connection = self
        return call


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched  # type: ignore[assignment]  # its answers do what a pool asks of them


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS  # type: ignore[assignment]


POOLS = {"http": _Pool, "https": _TLSPool}
"""For a PoolManager's `pool_classes_by_scheme`: connections that say on whose call they are."""


def says_what_is_sent(pool: HTTPConnectionPool) -> bool:
    """Whether its connections do; those through SOCKS are urllib3's own."""
    return issubclass(pool.ConnectionCls, _Watched)


class Deadlines:
    """Keeps the deadlines of all calls of one transport. Its thread begins with the first call."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._begin = threading.Lock()
        self._ending = threading.Lock()

    @contextmanager
    def until(self, deadline: float) -> Iterator[Call]:
        """Keep `deadline` (as of `time.monotonic`) for the call that this thread makes within."""
        call = Call(deadline)
        _here.call = call
        with self._ending:
            self._calls.add(call)
        if self._thread is None or not self._thread.is_alive():
            self._start()
        try:
            yield call
        finally:
            _here.call = None
            with self._ending:  # its connection may serve another call from here on
                self._calls.discard(call)

    def close(self) -> None:
        """Ends its thread, once no call is on its way."""
        self._closed.set()

    def _start(self) -> None:
        with self._begin:
            if self._thread is None or not self._thread.is_alive():
                self._closed.clear()
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while True:
            is_closed = self._closed.wait(LOOK_SECONDS)
            now = time.monotonic()
            with self._ending:
                if is_closed and not self._calls:
                    self._thread = None  # a call that comes now begins another
                    return
                for call in self._calls:
                    if call.deadline < now:
                        _shut_down(call.connection.sock if call.connection is not None else None)
                        _shut_down(call.opening)


def _shut_down(sock: socket.socket | None) -> None:
    if sock is not None:
        try:
            socket.socket.shutdown(plain(sock), socket.SHUT_RDWR)  # below TLS, whose own drops its state
        except OSError:
            return
