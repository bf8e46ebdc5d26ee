"""Who may call Omi now: one answer for the whole fleet, in one script.

A closed gate for everybody stops all; once its time has come, one caller goes first as a probe. Beyond that a shared
budget of requests per minute is handed out: who finds it used up books the next free place and comes back then, so a
backlog is spread instead of storming.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Kind
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from integration_app.store.due import CONSTANTS
from integration_app.store.scripts import load

_BURST_SHARE = 0.1
"""Share of a minute's requests that may go at once after a quiet time; the others are spread over the minute."""


_REMEMBER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Streak:
    """Calls in a row that ended badly, and over how many users."""

    calls: int
    uids: int


class RateLimiter:
    def __init__(self, redis: Redis, *, requests_per_minute: int, request_seconds: float) -> None:
        self._redis = redis
        burst = max(1, int(requests_per_minute * _BURST_SHARE))
        interval_ms = max(1, math.ceil(60_000 / max(1, requests_per_minute - burst)))
        self.constants = CONSTANTS | {
            "interval_ms": interval_ms,
            "burst_ms": interval_ms * (burst - 1),
            "probe_ms": int(request_seconds * 1000) + 5000,
        }
        self._acquire = load(redis, "admit", self.constants)
        self._streak = load(redis, "streak")

    def acquire(self, uid: str, kind: Kind, *, now: datetime) -> datetime | None:
        """None: call now. Else when to ask again; that place is kept for this uid."""
        at = int(self._acquire(uid=name_of(uid), kind=kind.value, now_ms=codec.ms(now)))
        return codec.from_ms(at) if at else None

    def answered(self, *, ends_failures: bool) -> None:
        """Omi gave an answer, so a probe is over; where it was to a write, so is a row of unanswered calls.

        Not a row of 429s: these are answers too. Only a write that Omi took ends one (`answered()` in Lua).
        """
        ended = (keys.FAILURES, keys.FAILED_UIDS) if ends_failures else ()
        self._redis.delete(keys.PROBING, *ended)

    def failed(self, uid: str) -> Streak:
        """Omi did not answer, or failed. How many times in a row now, and for how many users."""
        return self._count(keys.FAILURES, keys.FAILED_UIDS, uid)

    def limited(self, uid: str) -> Streak:
        """Omi answered 429. How many times in a row now, without a write that it took, and for how many users."""
        return self._count(keys.LIMITED, keys.LIMITED_UIDS, uid)

    def _count(self, calls: str, uids: str, uid: str) -> Streak:
        found = self._streak(calls=calls, uids=uids, uid=name_of(uid), ttl=int(_REMEMBER.total_seconds()))
        return Streak(*map(int, found))
