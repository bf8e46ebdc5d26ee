"""Phones that serve several uids: links that wait for a confirmation, and what their owners are to be told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.vault import current

_TOLD_AT_ONCE = 10


class SharedPhones:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def provisional(self, number: str, uid: str, until: datetime) -> None:
        """The link of this uid ends then, unless it is confirmed."""
        self._redis.zadd(keys.PROVISIONAL, {f"{current().member(number)} {uid}": codec.ms(until)})

    def settle(self, number: str, uid: str) -> bool:
        """Confirmed, or ended: it is not provisional any more. False when it was not."""
        return bool(self._redis.zrem(keys.PROVISIONAL, *(f"{form} {uid}" for form in current().members(number))))

    def ends(self, number: str, uid: str) -> datetime | None:
        """When the link of this uid ends; None for one that stays."""
        scores = self._redis.zmscore(keys.PROVISIONAL, [f"{form} {uid}" for form in current().members(number)])
        found = [score for score in scores if score is not None]
        return codec.from_ms(found[0]) if found else None

    def over(self, now: datetime) -> list[tuple[str, str]]:
        """Phones and uids whose links were not confirmed in time."""
        rows = self._redis.zrangebyscore(keys.PROVISIONAL, "-inf", codec.ms(now))
        pairs = [str(row).partition(" ") for row in rows]
        return [(current().open_member(number), uid) for number, _, uid in pairs]

    def tell(self, uids: Sequence[str], words: str) -> None:
        """Have this shown in the users' Omi by the next worker; a door makes no calls."""
        if uids:
            self._redis.rpush(keys.NOTICES, *(json.dumps([uid, words]) for uid in uids))

    def told(self) -> list[tuple[str, str]]:
        """The next uids and words to show, each once."""
        rows = self._redis.lpop(keys.NOTICES, _TOLD_AT_ONCE) or []
        return [(uid, words) for uid, words in map(json.loads, rows)]  # type: ignore[arg-type]
