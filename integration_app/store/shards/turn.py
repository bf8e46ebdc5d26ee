"""One process moves users at a time, and one that was stopped meanwhile writes nothing more.

The turn is a key with an expiry in the first shard. A process that was stopped for longer than that (Ctrl-Z, a host
that was frozen) still believes that it has it. So each shard counts who came to write there, and a write goes through
only while its process was the last. It counts first and asks then whose turn it is: who has it came after all before.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import WatchError

from integration_app.store import keys

MOVER = f"{keys.PREFIX}mover"
_COUNT = f"{keys.PREFIX}mover-count"
_EXPIRES = 10
"""Seconds. A process that says nothing for so long is taken for dead; far longer than a step takes."""
_SIGN_SECONDS = 1.0
_PASSED = "another process moves users by now: try again"


class NotMovedError(Exception):
    """With the reason, for an operator."""


class Turn:
    """`first`: a client of the first shard."""

    def __init__(self, first: Redis) -> None:
        self._first = first
        self._me = secrets.token_hex(8)
        self._said = 0.0

    def take(self) -> bool:
        """False where another process has it."""
        if not self._first.set(MOVER, self._me, nx=True, ex=_EXPIRES) and self._first.get(MOVER) != self._me:
            return False
        return bool(self._first.expire(MOVER, _EXPIRES))

    def keep(self) -> None:
        """A sign of life. Raises `NotMovedError` where the turn has passed on."""
        self._said = time.monotonic()
        if self._first.get(MOVER) != self._me or not self._first.expire(MOVER, _EXPIRES):
            raise NotMovedError(_PASSED)

    def go_on(self) -> None:
        """`keep`, now and then."""
        if time.monotonic() - self._said > _SIGN_SECONDS:
            self.keep()

    def fence(self, redis: Redis) -> Fence:
        """For what is written in this shard from here on."""
        count = int(redis.incr(_COUNT))
        self.keep()
        return Fence(redis, count, self.go_on)

    def end(self) -> None:
        if self._first.get(MOVER) == self._me:
            self._first.delete(MOVER)

    def end_of_another(self) -> None:
        """One that has died need not be waited for."""
        self._first.delete(MOVER)


class Fence:
    """`count`: how many had come when this one came."""

    def __init__(self, redis: Redis, count: int, go_on: Callable[[], None]) -> None:
        self._redis = redis
        self._count = str(count)
        self._go_on = go_on

    def check(self) -> None:
        """Raises `NotMovedError` where another process has come since."""
        self._go_on()
        if self._redis.get(_COUNT) != self._count:
            raise NotMovedError(_PASSED)

    def write(self, fill: Callable[[Any], object]) -> None:
        """In one transaction; nothing, and `NotMovedError`, where another process has come since."""
        self._go_on()
        pipe = self._redis.pipeline(transaction=True)
        try:
            pipe.watch(_COUNT)
            if pipe.get(_COUNT) != self._count:
                raise NotMovedError(_PASSED)
            pipe.multi()
            fill(pipe)
            pipe.execute()
        except WatchError:
            raise NotMovedError(_PASSED) from None
        finally:
            pipe.reset()
