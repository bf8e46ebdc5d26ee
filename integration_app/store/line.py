"""One exchange with Redis for all scripts that threads ask for at the same moment.

A worker has hundreds of slots, a web process dozens of requests. Each on a connection of its own costs a write, a
wake-up and a read per script, on both sides. So the first to ask sends its script at once; those who come meanwhile
wait, and the first of them sends all that have gathered. Alone, a script goes as it would on its own.
"""

from __future__ import annotations

import threading
from typing import Any

from redis.exceptions import ResponseError


class _Asked:
    """A script. Its thread waits for `woken`: then there is an outcome, or it is its turn to send `batch`."""

    __slots__ = ("answer", "batch", "command", "error", "is_over", "woken")

    def __init__(self, command: bytes) -> None:
        self.command = command
        self.answer: Any = None
        self.error: Exception | None = None
        self.is_over = False
        self.batch: list[_Asked] = []
        self.woken = threading.Lock()
        self.woken.acquire()


class Line:
    """To the server behind a pool of redis-py's, with the retry of its connections. For any thread to ask."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._changing = threading.Lock()
        self._is_busy = False
        self._waiting: list[_Asked] = []

    def ask(self, command: bytes) -> Any:
        """The answer to a packed command that may be repeated. Raises what redis-py raises."""
        mine = _Asked(command)
        with self._changing:
            if self._is_busy:
                self._waiting.append(mine)
            else:
                self._is_busy, mine.batch = True, [mine]
        try:
            if not mine.batch:
                mine.woken.acquire()
            if mine.batch:
                self._send(mine.batch)
        except BaseException:  # a greenlet that is killed takes neither its turn with it nor the scripts of others
            with self._changing:
                left = (*mine.batch, *self._waiting)
                self._waiting = [one for one in left if one is not mine and not one.is_over]
            raise
        finally:
            if mine.batch:
                self._hand_over()
        if mine.error is not None:
            raise mine.error.with_traceback(None)  # others may raise the same one
        return mine.answer

    def _send(self, batch: list[_Asked]) -> None:
        try:
            connection = self._pool.get_connection()
            try:
                retry = connection.retry.call_with_retry
                retry(lambda: _exchange(connection, batch), lambda _: connection.disconnect())
            finally:
                self._pool.release(connection)
        except Exception as error:  # noqa: BLE001 - each of them raises it
            for one in batch:
                if not one.is_over:
                    one.error, one.is_over = error, True
        finally:
            for one in batch:
                if one.is_over:
                    one.woken.release()

    def _hand_over(self) -> None:
        with self._changing:
            gathered, self._waiting = self._waiting, []
            self._is_busy = bool(gathered)
        if gathered:
            gathered[0].batch = gathered
            gathered[0].woken.release()


def _exchange(connection: Any, batch: list[_Asked]) -> None:
    """Send all, and read one answer after the other; a second try leaves out what was answered in the first."""
    left = [one for one in batch if not one.is_over]
    connection.send_packed_command([b"".join([one.command for one in left])])
    for one in left:
        try:
            one.answer = connection.read_response()
        except ResponseError as error:  # of this script alone
            one.error = error
        one.is_over = True
