"""What users are to be shown in their Omi. A worker shows it: a door makes no calls, a drain none beside its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.vault import current

KIND = "notice"
_DAILY_TTL = timedelta(days=3)
_AT_ONCE = 100


class Notices:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def tell(self, uids: Sequence[str], words: str) -> None:
        """Have this shown in the users' Omi by the next worker."""
        if uids:
            self._redis.rpush(keys.NOTICES, *(current().seal(KIND, json.dumps([uid, words])) for uid in uids))

    def tell_once(self, uid: str, words: str, *, each: timedelta) -> None:
        """Likewise, if these words were not put here for this user within `each`: Omi shows nine an hour."""
        if self._redis.set(keys.noticed(uid, words), 1, nx=True, px=each):
            self.tell([uid], words)

    def count_arrival(self, uid: str, count: int, *, tell_at: datetime) -> None:
        """Have it told how many arrived, once, at that time."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.incrby(keys.arrived(uid), count)
        pipe.expire(keys.arrived(uid), _DAILY_TTL)
        pipe.zadd(keys.DAILY, {name_of(uid): codec.ms(tell_at)}, nx=True)
        pipe.execute()

    def daily(self, *, now: datetime) -> Iterator[tuple[str, int]]:
        """Whom to tell now how many arrived; each is handed out once."""
        for name in map(str, self._redis.zrangebyscore(keys.DAILY, "-inf", codec.ms(now), 0, _AT_ONCE)):
            if self._redis.zrem(keys.DAILY, name):
                uid = uid_of(name)
                yield uid, int(self._redis.getdel(keys.arrived(uid)) or 0)

    def erase(self, uid: str) -> None:
        self._redis.zrem(keys.DAILY, name_of(uid))
        self._redis.delete(keys.arrived(uid))

    def next(self) -> tuple[str, str] | None:
        """A uid, and the words to show it; each once."""
        row = self._redis.lpop(keys.NOTICES)
        return tuple(json.loads(current().open(KIND, str(row)))) if row else None
