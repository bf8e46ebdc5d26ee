"""One process moves users at a time, and one that was stopped meanwhile writes nothing more.

The turn is a key with an expiry in the first shard. A process that was stopped for longer than that (Ctrl-Z, a host
that was frozen) still believes that it has it. So each puts up a fence in a shard before it writes there, and a write
goes through only while that fence stands. First the fence, then the question whose turn it is: who has the turn has put
up theirs after all who had it before.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from integration_app.store import keys

MOVER = f"{keys.PREFIX}mover"
_EXPIRES = 10
"""Seconds. A process that says nothing for so long is taken for dead; far longer than a step takes."""
_SIGN_SECONDS = 1.0
PASSED = "another process moves users by now: try again"


class NotMovedError(Exception):
    """With the reason, for an operator."""


class NoSuchUserError(NotMovedError):
    """Trying again does not help."""


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
            raise NotMovedError(PASSED)

    def go_on(self) -> None:
        """`keep`, now and then."""
        if time.monotonic() - self._said > _SIGN_SECONDS:
            self.keep()

    def fence(self, redis: Redis) -> Fence:
        """For what is written in this shard from here on."""
        token = secrets.token_hex(8)
        redis.set(keys.MOVER_FENCE, token)
        self.keep()
        return Fence(redis, token, self.go_on)

    def end(self) -> None:
        if self._first.get(MOVER) == self._me:
            self._first.delete(MOVER)


class Fence:
    """`token`: what this process put up in the shard."""

    def __init__(self, redis: Redis, token: str, go_on: Callable[[], None]) -> None:
        self.token = token
        self._redis = redis
        self._go_on = go_on

    def check(self) -> None:
        """Raises `NotMovedError` where another process has come since, as everything here does."""
        self._go_on()
        self._compare(self._redis)

    def write(self, fill: Callable[[Any], object]) -> None:
        """In one transaction."""

        def change(pipe: Any) -> None:
            pipe.multi()
            fill(pipe)

        self.transaction(change)

    def transaction(self, change: Callable[[Any], object], *watched: str) -> None:
        """As redis-py's: `change` reads, calls `multi`, and writes; again where a key that is watched has changed."""
        self._go_on()

        def fenced(pipe: Any) -> None:
            self._compare(pipe)
            change(pipe)

        self._redis.transaction(fenced, keys.MOVER_FENCE, *watched)

    def _compare(self, redis: Any) -> None:
        if redis.get(keys.MOVER_FENCE) != self.token:
            raise NotMovedError(PASSED)
