"""What users are to be shown in their Omi. A worker shows it: a door makes no calls, a drain none beside its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from redis import Redis

from integration_app.store import keys
from integration_app.store.vault import current

KIND = "notice"


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

    def next(self) -> tuple[str, str] | None:
        """A uid, and the words to show it; each once."""
        row = self._redis.lpop(keys.NOTICES)
        return tuple(json.loads(current().open(KIND, str(row)))) if row else None
