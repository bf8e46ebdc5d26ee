"""Seal the uids of a store that was begun without DATA_KEYS, or before 0.4, while nothing else runs.

Safe to stop and to run again: what has its name already keeps it, and the store counts as named only at the end.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable

from redis import Redis

from integration_app.store import keys, stories, vault
from integration_app.store.accounts import KEY_BYTES, KIND, Accounts

_BEGUN = "names_begun"
_NAMED = (
    "used",
    "transcribed",
    "limits",
    "noticed",
    "sessions",
    "undo",
    "link-of",
    "import",
    "import-items",
    "import-ids",
    "arrived",
)
_OWN = (
    keys.OUTBOX, keys.OF, keys.OPEN, keys.LEASE, keys.POKE, keys.INSTALLATION, keys.PHONES, keys.LOAD, keys.DAY,
    keys.GATE_UID, *(f"{keys.PREFIX}{what}:" for what in _NAMED),
)  # fmt: skip
"""Keys of one uid: it stands behind these, up to the next colon."""
_SCORED, _SETS = (keys.DUE, keys.LEFT, keys.FAILING, keys.BOOKED, keys.DAILY), (keys.INSTALLATIONS, keys.IMPORTS)
_PAIRS = (keys.QUARANTINE, keys.PROVISIONAL)
_POINTERS = (f"{keys.PREFIX}inbox:", f"{keys.PREFIX}link:")


class Renaming:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._called: Callable[[str], str] = str

    def key(self) -> str:
        """The key by which users are called, made now if there is none yet; sealed."""
        self._redis.hsetnx(keys.STORE, _BEGUN, vault.current().seal(KIND, secrets.token_hex(KEY_BYTES)))
        return str(self._redis.hget(keys.STORE, "names") or self._redis.hget(keys.STORE, _BEGUN))

    def run(self, sealed: str = "") -> Counter[str]:
        """How many of what was named. `sealed`: the key, where it is another store's. Raises `KeyMissing`."""
        sealed = sealed or self.key()
        names = Accounts(lambda _: (True, sealed))
        self._called = lambda uid: names.name(names.uid(uid))  # a name keeps its name
        done = Counter(
            {
                "keys": self._keys(),
                "lists": sum(map(self._list, (*_SCORED, *_PAIRS))) + self._held(),
                "pointers": self._sets() + sum(map(self._pointer, self._all(*_POINTERS))),
                "stories": sum(map(self._story, self._all(keys.STORY))),
                "messages": sum(map(self._message, self._all(keys.MESSAGE))),
                "deliveries": sum(map(self._delivery, self._all(keys.DELIVERY))),
            }
        )
        self._redis.delete(keys.PROBING, keys.FAILED_UIDS, keys.LIMITED_UIDS)  # of the last minutes
        self._redis.hset(keys.STORE, "names", sealed)
        self._redis.hdel(keys.STORE, _BEGUN)
        return done

    def _all(self, *prefixes: str) -> Iterable[str]:
        return [str(key) for prefix in prefixes for key in self._redis.scan_iter(f"{prefix}*", count=1000)]

    def _keys(self) -> int:
        done = 0
        for prefix in _OWN:
            for key in self._all(prefix):
                uid, colon, rest = key.removeprefix(prefix).partition(":")
                done += self._moved(key, f"{prefix}{self._called(uid)}{colon}{rest}")
        return done

    def _moved(self, before: str, after: str) -> bool:
        return before != after and bool(self._redis.rename(before, after))

    def _list(self, key: str) -> int:
        """A sorted set of uids, or of pairs that end in one."""
        rows: list[tuple[str, float]] = self._redis.zrange(key, 0, -1, withscores=True)  # type: ignore[assignment]
        done = 0
        for row, score in rows:
            first, space, uid = row.rpartition(" ")
            after = f"{first}{space}{self._called(uid)}"
            if after != row:
                self._redis.zadd(key, {after: score})
                done += int(self._redis.zrem(key, row))
        return done

    def _sets(self) -> int:
        done = 0
        for key in (*_SETS, *self._all(f"{keys.PREFIX}phone:")):
            for uid in map(str, self._redis.smembers(key)):
                if self._called(uid) != uid:
                    self._redis.sadd(key, self._called(uid))
                    done += int(self._redis.srem(key, uid))
        return done

    def _held(self) -> int:
        """Leases of workers that ended without giving them back: there are none now."""
        return int(self._redis.delete(keys.HELD))

    def _pointer(self, key: str) -> int:
        uid = str(self._redis.get(key) or "")
        return int(bool(uid != self._called(uid) and self._redis.set(key, self._called(uid), keepttl=True)))

    def _message(self, key: str) -> int:
        done = 0
        for field, value in self._redis.hgetall(key).items():
            mark, colon, uid = str(field).partition(":")
            if mark in keys.MARKS and colon and self._called(uid) != uid:
                self._redis.hset(key, f"{mark}:{self._called(uid)}", value)
                done += int(self._redis.hdel(key, str(field)))
        return bool(done)

    def _story(self, key: str) -> int:
        """Before its message: that says whose the tags are."""
        done = 0
        fields = map(str, self._redis.hkeys(keys.message(key.removeprefix(keys.STORY))))
        names = [name.removeprefix("state:") for name in fields if name.startswith("state:")]
        names += [self._called(name) for name in names]
        for place, row in enumerate(map(str, self._redis.lrange(key, 0, -1))):
            after = stories.pack(stories.of_whom(stories.unpack(row, names), self._called))
            if after != row:
                self._redis.lset(key, place, after)
                done += 1
        return bool(done)

    def _delivery(self, key: str) -> int:
        uid = str(self._redis.hget(key, "uid") or "")
        return 0 if self._called(uid) == uid else int(self._redis.hset(key, "uid", self._called(uid)) or 1)
