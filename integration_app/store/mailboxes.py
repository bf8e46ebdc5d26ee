"""How far a mailbox has been read, and when it was looked at last."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys

CLAIM_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Place:
    """`last`: the highest UID that was looked at, of numbering `validity`. `begun`: the first start; `is_anew`: the
    folder has been numbered anew since.
    """

    validity: int
    last: int
    begun: datetime
    is_anew: bool = False


class Mailboxes:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def place(self, account: str, validity: int, first: int, *, now: datetime) -> Place:
        """Where to go on: behind `first` where the folder is new here, at the front where it is numbered anew."""
        key = keys.mailbox(_digest(account))
        if self._redis.hsetnx(key, "begun_ms", codec.ms(now)):
            self._redis.hset(key, items=["validity", validity, "first_validity", validity, "last", first])
        row = self._redis.hgetall(key)
        is_same = row.get("validity") == str(validity)
        if not is_same:  # the numbers that wait name other mails now
            self._redis.delete(_later(account), f"{_later(account)}:since")
        last = int(row.get("last", 0)) if is_same else 0
        is_anew = row.get("first_validity") != str(validity)
        return Place(validity, last, codec.from_ms(str(row["begun_ms"])), is_anew)

    def put_off(
        self, account: str, validity: int, number: int, pause: timedelta, longest: timedelta, *, now: datetime
    ) -> bool:
        """Look at this mail again after `pause`. False, and it is forgotten, where it waits for `longest` already."""
        key, since, name = _later(account), f"{_later(account)}:since", f"{validity}:{number}"
        self._redis.hsetnx(since, name, codec.ms(now))
        began = codec.from_ms(str(self._redis.hget(since, name)))
        if now - began > longest:
            self.done(account, validity, number)
            return False
        self._redis.zadd(key, {name: codec.ms(now + pause)})
        return True

    def later(self, account: str, validity: int, *, now: datetime) -> Sequence[int]:
        """The mails whose time has come again, in order."""
        names = map(str, self._redis.zrangebyscore(_later(account), "-inf", codec.ms(now)))
        pairs = (name.split(":") for name in names)
        return sorted(int(number) for known, number in pairs if known == str(validity))

    def done(self, account: str, validity: int, number: int) -> None:
        name = f"{validity}:{number}"
        self._redis.zrem(_later(account), name)
        self._redis.hdel(f"{_later(account)}:since", name)

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


def _later(account: str) -> str:
    return keys.mailbox(f"{_digest(account)}:later")


def _digest(account: str) -> str:
    """An address of a person is no name of a key."""
    return hashlib.sha256(account.encode()).hexdigest()[:32]
