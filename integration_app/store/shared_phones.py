"""Phones that serve several uids: links that wait for a confirmation."""

from __future__ import annotations

from datetime import datetime

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.installations import spellings
from integration_app.store.vault import KeyMissing, current


class SharedPhones:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def provisional(self, number: str, uid: str, until: datetime) -> None:
        """The link of this uid ends then, unless it is confirmed."""
        self._redis.zadd(
            keys.PROVISIONAL, {f"{current().member(_one(number))} {name_of(uid)}": codec.ms(until)}, nx=True
        )

    def settle(self, number: str, uid: str) -> bool:
        """Confirmed, or ended: it is not provisional any more. False when it was not."""
        return bool(self._redis.zrem(keys.PROVISIONAL, *_rows(number, uid)))

    def ends(self, number: str, uid: str) -> datetime | None:
        """When the link of this uid ends; None for one that stays."""
        scores = self._redis.zmscore(keys.PROVISIONAL, _rows(number, uid))
        found = [score for score in scores if score is not None]
        return codec.from_ms(found[0]) if found else None

    def over(self, now: datetime) -> list[tuple[str, str]]:
        """Phones and uids whose links were not confirmed in time."""
        rows = self._redis.zrangebyscore(keys.PROVISIONAL, "-inf", codec.ms(now))
        return [pair for row in rows if (pair := _opened(str(row)))]

    def reseal(self) -> int:
        """Under the newest key; how many there were under another."""
        done = 0
        rows: list[tuple[str, float]] = self._redis.zrange(keys.PROVISIONAL, 0, -1, withscores=True)  # type: ignore[assignment]
        for row, score in rows:
            form, _, name = str(row).partition(" ")
            if not current().is_current(form):
                fresh = f"{current().member(current().open_member(form))} {name}"
                self._redis.zadd(keys.PROVISIONAL, {fresh: score})
                done += int(self._redis.zrem(keys.PROVISIONAL, str(row)))
        return done


def _one(number: str) -> str:
    """One spelling for all of a number's."""
    return min(spellings(number))


def _rows(number: str, uid: str) -> list[str]:
    """Every form in which such a link may stand in the list."""
    return [f"{form} {name_of(uid)}" for form in current().members(_one(number))]


def _opened(row: str) -> tuple[str, str] | None:
    """Number and uid; None for one whose key is missing, which waits for it."""
    form, _, name = row.partition(" ")
    try:
        return current().open_member(form), uid_of(name)
    except (KeyMissing, ValueError):
        return None
