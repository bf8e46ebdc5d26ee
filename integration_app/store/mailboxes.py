"""How far a mailbox has been read, and when it was looked at last."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from redis import Redis

from integration_app.store import codec, keys

CLAIM_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """`last`: the highest UID that was looked at, of numbering `validity`. `begun`: the first start."""

    validity: int
    last: int
    begun: datetime


class Mailboxes:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def place(self, account: str, validity: int, *, now: datetime) -> Place:
        """Where to go on; at the front where the folder is new here, or is numbered anew."""
        key = keys.mailbox(_digest(account))
        self._redis.hsetnx(key, "begun_ms", codec.ms(now))
        row = self._redis.hgetall(key)
        is_same = row.get("validity") == str(validity)
        last = int(row.get("last", 0)) if is_same else 0
        return Place(validity, last, codec.from_ms(str(row["begun_ms"])))

    def claim(self, account: str, reader: str) -> bool:
        """Whether `reader` alone may read it, for two minutes from now: two at once would move a mail twice."""
        key = keys.mailbox(f"{_digest(account)}:reader")
        if self._redis.set(key, reader, nx=True, ex=CLAIM_SECONDS):
            return True
        if self._redis.get(key) != reader:
            return False
        return bool(self._redis.expire(key, CLAIM_SECONDS))

    def release(self, account: str, reader: str) -> None:
        key = keys.mailbox(f"{_digest(account)}:reader")
        if self._redis.get(key) == reader:
            self._redis.delete(key)

    def move(self, account: str, place: Place) -> None:
        self._redis.hset(keys.mailbox(_digest(account)), mapping={"validity": place.validity, "last": place.last})

    def looked(self, account: str, *, now: datetime) -> None:
        self._redis.hset(keys.mailbox(_digest(account)), "looked_ms", codec.ms(now))

    def looked_at(self, account: str) -> datetime | None:
        at = self._redis.hget(keys.mailbox(_digest(account)), "looked_ms")
        return codec.from_ms(str(at)) if at else None


def _digest(account: str) -> str:
    """An address of a person is no name of a key."""
    return hashlib.sha256(account.encode()).hexdigest()[:32]
