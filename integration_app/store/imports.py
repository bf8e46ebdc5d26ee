"""A user's import: what is still to be taken, sealed, and how far it is. One at a time for a user."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import ImportRow, ImportState, ImportStatus, Kind
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.vault import current

KIND = "import"
DRAFT_TTL, RUN_TTL = timedelta(hours=1), timedelta(days=30)
_LOCK_MS = 60_000


class Imports:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def draft(self, uid: str, name: str, rows: Sequence[ImportRow], duplicates: int) -> None:
        """In the place of any before it; forgotten in an hour unless it is begun."""
        key, items = keys.imported(uid), keys.import_items(uid)
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key, items, keys.import_ids(uid))
        values: dict[str, str | int] = {"state": ImportState.DRAFT.value, "name": current().seal(KIND, name)}
        values |= {"total": len(rows), "duplicates": duplicates, "taken": 0}
        pipe.hset(key, mapping=values)  # type: ignore[arg-type]
        if rows:
            pipe.rpush(items, *(current().seal(KIND, codec.dumps(row)) for row in rows))
        for name_ in (key, items):
            pipe.expire(name_, DRAFT_TTL)
        pipe.srem(keys.IMPORTS, name_of(uid))
        pipe.execute()

    def status(self, uid: str) -> ImportStatus | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.imported(uid))
        pipe.lrange(keys.import_ids(uid), 0, -1)
        raw, ids = pipe.execute()
        if "state" not in raw or "name" not in raw:
            return None
        return ImportStatus(
            state=ImportState(raw["state"]),
            name=current().open(KIND, raw["name"]),
            total=int(raw["total"]),
            taken=int(raw["taken"]),
            duplicates=int(raw["duplicates"]),
            until=codec.from_ms(raw["until_ms"]) if "until_ms" in raw else None,
            message_ids=tuple(map(str, ids)),
        )

    def set_state(self, uid: str, state: ImportState) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.imported(uid), "state", state.value)
        pipe.hdel(keys.imported(uid), "until_ms")
        for key in (keys.imported(uid), keys.import_items(uid), keys.import_ids(uid)):
            pipe.expire(key, RUN_TTL)
        if state is ImportState.RUNNING:
            pipe.sadd(keys.IMPORTS, name_of(uid))
        else:
            pipe.srem(keys.IMPORTS, name_of(uid))
        pipe.execute()

    def running(self) -> list[str]:
        return [uid_of(str(name)) for name in self._redis.smembers(keys.IMPORTS)]

    def lock(self, uid: str) -> bool:
        """Whether this process takes from it now: one at a time does."""
        return bool(self._redis.set(keys.import_lock(uid), 1, nx=True, px=_LOCK_MS))

    def unlock(self, uid: str) -> None:
        self._redis.delete(keys.import_lock(uid))

    def next(self, uid: str, limit: int) -> list[ImportRow]:
        rows = self._redis.lrange(keys.import_items(uid), 0, limit - 1)
        return [_row(current().open(KIND, str(row))) for row in rows]

    def took(self, uid: str, message_id: str | None) -> None:
        """The first of what waits was taken; as this message, or None where it had been before."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpop(keys.import_items(uid))
        pipe.hincrby(keys.imported(uid), "taken" if message_id else "duplicates", 1)
        if message_id:
            pipe.rpush(keys.import_ids(uid), message_id)
            pipe.expire(keys.import_ids(uid), RUN_TTL)
        pipe.execute()

    def wait(self, uid: str, until: datetime) -> None:
        self._redis.hset(keys.imported(uid), "until_ms", codec.ms(until))

    def erase(self, uid: str) -> None:
        self._redis.delete(keys.imported(uid), keys.import_items(uid), keys.import_ids(uid), keys.import_lock(uid))
        self._redis.srem(keys.IMPORTS, name_of(uid))


def _row(raw: str) -> ImportRow:
    values = json.loads(raw)
    values |= {
        "kind": Kind(values["kind"]),
        "tags": tuple(values["tags"]),
        "started_at": codec.moment(values["started_at"]),
        "finished_at": codec.moment(values["finished_at"]),
    }
    return ImportRow(**values)
