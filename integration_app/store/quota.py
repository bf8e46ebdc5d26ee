"""What Omi's limits are, as far as its headers have told, and how much of them we have used. Never assumed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Kind
from integration_app.store import codec, keys
from integration_app.store.scripts import load

WINDOW = timedelta(hours=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Quota:
    """`limit` calls a window, None while Omi has not said; `used` of them since our window began."""

    limit: int | None
    used: int

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used)

    def is_less_than(self, calls: int) -> bool:
        """Known not to allow so many calls any more in this window."""
        return self.left is not None and calls > self.left


class Quotas:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._used = load(redis, "use_quota")

    def called(self, uid: str, kind: Kind) -> None:
        """One call that counts."""
        self._used(quota=keys.used(uid, kind.value))

    def learn(self, uid: str, kind: Kind, limit: int, *, now: datetime) -> None:
        """Omi named its limit."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.limits(uid), mapping={kind.value: limit, f"{kind.value}:at": codec.ms(now)})
        pipe.expire(keys.limits(uid), int(timedelta(days=30).total_seconds()))
        pipe.execute()

    def of(self, uid: str) -> dict[Kind, Quota]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.limits(uid))
        for kind in Kind:
            pipe.get(keys.used(uid, kind.value))
        limits, *used = pipe.execute()
        return {
            kind: Quota(int(limits[kind.value]) if kind.value in limits else None, int(count or 0))
            for kind, count in zip(Kind, used, strict=True)
        }

    def may_transcribe(self, uid: str, most: int, *, now: datetime) -> bool:
        """Count one recording; False when it is beyond `most` of this day (UTC)."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.incr(keys.transcribed(uid, now))
        pipe.expire(keys.transcribed(uid, now), int(_DAY.total_seconds()))
        return int(pipe.execute()[0]) <= most

    def was_not_transcribed(self, uid: str, *, now: datetime) -> None:
        """Take back what `may_transcribe` counted."""
        self._redis.decr(keys.transcribed(uid, now))

    def erase(self, uid: str) -> None:
        self._redis.delete(keys.limits(uid), *(keys.used(uid, kind.value) for kind in Kind))
