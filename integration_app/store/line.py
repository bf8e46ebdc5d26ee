"""One exchange with Redis for all scripts that threads ask for at the same moment.

A worker has hundreds of slots, a web process dozens of requests. Each on a connection of its own costs a write, a
wake-up and a read per script, on both sides. So the first to ask send their scripts at once; those who come meanwhile
wait, and the first of them sends all that have gathered. Alone, a script goes as it would on its own.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakSet

from redis.exceptions import ResponseError

AT_ONCE = 4
"""Scripts that go without waiting for company. With one, all of them waited for the flush of the file; many more
would leave nothing to gather.
"""
TOGETHER_MAX = 100
"""Scripts in one exchange: the server answers them in one go, so all of them have the time-out of one."""


class _Asked:
    """A script. Its thread waits for `woken`: then there is an outcome, or it is its turn to send `batch`, while those
    `behind` go on waiting.
    """

    __slots__ = ("answer", "batch", "behind", "command", "error", "is_over", "woken")

    def __init__(self, command: bytes) -> None:
        self.command = command
        self.answer: Any = None
        self.error: Exception | None = None
        self.is_over = False
        self.batch: list[_Asked] = []
        self.behind: frozenset[_Asked] = frozenset()
        self.woken = threading.Lock()
        self.woken.acquire()


class Line:
    """To the server behind a pool of redis-py's, with the retry of its connections. For any thread to ask."""

    def __init__(self, pool: Any, at_once: int = AT_ONCE) -> None:
        self._pool = pool
        self._at_once = at_once
        self.begin()
        _lines.add(self)

    def begin(self) -> None:
        """With nothing in flight: a process that was forked has none of its parent's threads."""
        self._changing = threading.Lock()
        self._in_flight = 0
        self._waiting: list[_Asked] = []

    def ask(self, command: bytes) -> Any:
        """The answer to a packed command that may be repeated. Raises what redis-py raises."""
        mine = _Asked(command)
        outage: Exception | None = None
        with self._changing:
            waits = self._in_flight >= self._at_once  # not derived from `batch` later: that may be set at any time
            if waits:
                self._waiting.append(mine)
            else:
                self._in_flight += 1
                mine.batch = [mine]
        try:
            if waits:
                mine.woken.acquire()
            if mine.batch:
                outage = self._send(mine.batch)
        except BaseException:  # a greenlet that is killed takes neither its turn with it nor the scripts of others
            with self._changing:
                mine.is_over = True  # also where it stands in the batch of another
                left = (*mine.batch, *self._waiting)
                self._waiting = [one for one in left if not one.is_over]
            raise
        finally:
            if mine.batch:
                self._hand_over(mine, outage)
        if mine.error is not None:
            raise mine.error.with_traceback(None)  # others may raise the same one
        return mine.answer

    def _send(self, batch: list[_Asked]) -> Exception | None:
        """Why none of the rest has an answer, where that is so: Redis hangs, or is away."""
        try:
            connection = self._pool.get_connection()
            try:
                retry = connection.retry.call_with_retry
                retry(lambda: _exchange(connection, batch), lambda _: connection.disconnect())
            except BaseException:  # an answer that is left on it would be taken for the next one's
                connection.disconnect()
                raise
            finally:
                self._pool.release(connection)
        except Exception as error:  # noqa: BLE001 - each of them raises it
            for one in batch:
                if not one.is_over:
                    one.error, one.is_over = error, True
            return error
        finally:
            for one in batch:
                if one.is_over:
                    one.woken.release()
        return None

    def _hand_over(self, mine: _Asked, outage: Exception | None) -> None:
        """To the next batch, once little enough is in flight. Those who waited for all of an outage are told as well: a
        time-out for each batch would add up.
        """
        with self._changing:
            self._in_flight -= len(mine.batch)
            told = [one for one in self._waiting if one in mine.behind] if outage else []
            for one in told:
                one.error, one.is_over = outage, True
                one.woken.release()
            self._waiting = [one for one in self._waiting if not one.is_over] if told else self._waiting
            if not self._waiting or self._in_flight >= self._at_once:
                return
            gathered, self._waiting = self._waiting[:TOGETHER_MAX], self._waiting[TOGETHER_MAX:]
            self._in_flight += len(gathered)
            gathered[0].batch, gathered[0].behind = gathered, frozenset(self._waiting)
        gathered[0].woken.release()


_lines: WeakSet[Line] = WeakSet()


def _begin_all() -> None:
    for line in _lines:
        line.begin()


os.register_at_fork(after_in_child=_begin_all)


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
