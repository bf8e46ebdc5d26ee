"""A user's import: what is still to be taken, sealed, and how far it is. One at a time for a user."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import ImportRow, ImportState, ImportStatus, Kind
from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.scripts import load
from integration_app.store.vault import current

KIND = "import"
DRAFT_TTL, RUN_TTL = timedelta(hours=1), timedelta(days=30)


class Imports:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._took = load(redis, "import_took")
        self._state = load(redis, "import_state")

    def draft(self, uid: str, name: str, rows: Sequence[ImportRow], duplicates: int) -> None:
        """In the place of any before it; forgotten in an hour unless it is begun."""
        key, items = keys.imported(uid), keys.import_items(uid)
        values: dict[str, str | int] = {
            "id": secrets.token_hex(8),
            "state": ImportState.DRAFT.value,
            "name": current().seal(KIND, name),
            "total": len(rows),
            "conversations": sum(row.kind is Kind.CONVERSATION for row in rows),
            "duplicates": duplicates,
            "taken": 0,
        }
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key, items, keys.import_ids(uid))
        pipe.srem(keys.IMPORTS, name_of(uid))
        pipe.hset(key, mapping=values)  # type: ignore[arg-type]
        if rows:
            pipe.rpush(items, *(current().seal(KIND, codec.dumps(row)) for row in rows))
        for kept in (key, items):
            pipe.expire(kept, DRAFT_TTL)
        pipe.execute()

    def status(self, uid: str) -> ImportStatus | None:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.imported(uid))
        pipe.lrange(keys.import_ids(uid), 0, -1)
        raw, ids = pipe.execute()
        if "id" not in raw:
            return None
        return ImportStatus(
            id=raw["id"],
            state=ImportState(raw["state"]),
            name=current().open(KIND, raw["name"]),
            total=int(raw["total"]),
            conversations=int(raw["conversations"]),
            taken=int(raw["taken"]),
            duplicates=int(raw["duplicates"]),
            until=codec.from_ms(raw["until_ms"]) if "until_ms" in raw else None,
            message_ids=tuple(map(str, ids)),
        )

    def set_state(self, uid: str, import_id: str, state: ImportState, *, until: datetime | None = None) -> None:
        """Nothing where that import is over. `until`: nothing is taken before it."""
        self._state(
            **self._keys(uid),
            import_id=import_id,
            uid=name_of(uid),
            state=state.value,
            until_ms=codec.ms(until) if until else "",
            ttl=int(RUN_TTL.total_seconds()),
        )

    def running(self) -> list[str]:
        return [uid_of(str(name)) for name in self._redis.smembers(keys.IMPORTS)]

    def next(self, uid: str, limit: int) -> list[tuple[str, ImportRow]]:
        """The first items, each as it is kept and as it is read."""
        rows = map(str, self._redis.lrange(keys.import_items(uid), 0, limit - 1))
        return [(row, _row(current().open(KIND, row))) for row in rows]

    def took(self, uid: str, import_id: str, item: str, message_id: str) -> bool:
        """The first of what waits was taken, as this message. False where the import is over, or another was faster."""
        ttl = int(RUN_TTL.total_seconds())
        done = self._took(**self._keys(uid), import_id=import_id, item=item, message_id=message_id, ttl=ttl)
        return bool(done)

    def erase(self, uid: str) -> None:
        self._redis.delete(*self._keys(uid).values())
        self._redis.srem(keys.IMPORTS, name_of(uid))

    def _keys(self, uid: str) -> dict[str, str]:
        return {"import": keys.imported(uid), "items": keys.import_items(uid), "ids": keys.import_ids(uid)}


def _row(raw: str) -> ImportRow:
    values = json.loads(raw)
    values |= {
        "kind": Kind(values["kind"]),
        "tags": tuple(values["tags"]),
        "started_at": codec.moment(values["started_at"]),
        "finished_at": codec.moment(values["finished_at"]),
    }
    return ImportRow(**values)
