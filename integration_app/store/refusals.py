"""The last requests that each door refused, for a day: when, why, and of what shape; never what was in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys

_KEPT = 20
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`outcome` as the answer said it, `why` as the provider's folder words it. `shape`: method, type, size, sender's
    program, and the names of its headers, without their values.
    """

    at: datetime
    outcome: str
    why: str
    shape: str = ""


class Refusals:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self, provider: str, refusal: Refusal) -> None:
        row = json.dumps([codec.ms(refusal.at), refusal.outcome, refusal.why[:300], refusal.shape[:600]])
        pipe = self._redis.pipeline(transaction=False)
        pipe.lpush(keys.refused(provider), row)
        pipe.ltrim(keys.refused(provider), 0, _KEPT - 1)
        pipe.expire(keys.refused(provider), _DAY)
        pipe.execute()

    def latest(self, provider: str, *, now: datetime) -> Sequence[Refusal]:
        """Newest first, of the last day, twenty at the most."""
        rows = (json.loads(str(row)) for row in self._redis.lrange(keys.refused(provider), 0, -1))
        found = [Refusal(codec.from_ms(at), *told) for at, *told in rows]
        return [row for row in found if now - row.at < _DAY]
