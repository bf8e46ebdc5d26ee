"""What is held, uid by uid: its sender is not believed, or a rule of the user's holds it. Each step is atomic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from redis import Redis

from integration_app.errors import LeaseLost
from integration_app.model import DroppedFromQuarantine, HeldByRule, Released
from integration_app.store import codec, keys, stories
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.due import Lease
from integration_app.store.scripts import load


class Quarantine:
    def __init__(self, redis: Redis, *, text_retention: timedelta) -> None:
        self._redis = redis
        self._retention = text_retention
        self._release = load(redis, "quarantine_release")
        self._hold = load(redis, "hold")
        self._drop = load(redis, "quarantine_drop")

    def held(self, *, before: datetime | None = None, limit: int = 1000) -> Iterator[tuple[str, str, datetime]]:
        """Message id, uid and since when it is held, oldest first; with `before`, those held by then."""
        until = codec.ms(before) if before else "+inf"
        rows = self._redis.zrangebyscore(keys.QUARANTINE, "-inf", until, 0, limit, withscores=True)
        for row in rows:
            message_id, _, name = str(row[0]).partition(" ")
            yield message_id, uid_of(name), codec.from_ms(row[1])

    def hold(self, lease: Lease, message_id: str, *, now: datetime) -> None:
        """A rule of the user's holds it until they say what becomes of it. Raises `LeaseLost`."""
        done = self._hold(
            message=keys.message(message_id),
            lease=keys.lease(lease.uid),
            id=message_id,
            uid=name_of(lease.uid),
            token=lease.token,
            now_ms=codec.ms(now),
            event=stories.dump(HeldByRule(at=now, uid=lease.uid)),
        )
        if done < 0:
            raise LeaseLost("the lease was lost before a message was held")

    def release(self, message_id: str, uid: str, *, by: str, now: datetime) -> bool:
        """Have it delivered like any other, in all its parts. False when it is not held for this uid (any more)."""
        event = stories.dump(Released(at=now, uid=uid, by=by))
        done = [
            self._release(message=keys.message(part), id=part, uid=name_of(uid), now_ms=codec.ms(now), event=event)
            for part in self._parts(message_id)
        ]
        return any(done)

    def drop(self, message_id: str, uid: str, *, why: str, now: datetime) -> bool:
        """Never deliver it to this uid, nor any part of it. False when it is not held (any more)."""
        event = stories.dump(DroppedFromQuarantine(at=now, uid=uid, by=why))
        done = [
            self._drop(
                message=keys.message(part),
                id=part,
                uid=name_of(uid),
                keep=int(self._retention.total_seconds()),
                event=event,
            )
            for part in self._parts(message_id)
        ]
        return any(done)

    def _parts(self, message_id: str) -> list[str]:
        """A text that is too long has become several messages meanwhile, if another uid was to get it too."""
        count = int(self._redis.hget(keys.message(message_id), "parts") or 1)
        return [message_id, *(f"{message_id}p{number}" for number in range(2, count + 1))]

    def size(self) -> int:
        return int(self._redis.zcard(keys.QUARANTINE))
