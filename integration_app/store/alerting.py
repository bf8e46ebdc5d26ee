"""What operators were told, so that it is told once, by whichever process has the turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Told
from integration_app.store import codec, keys

_ACKNOWLEDGED = timedelta(days=1)


class Alerting:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def turn(self, what: str, each: timedelta) -> bool:
        """Whether this process does it now: one of them does, once in `each`."""
        return bool(self._redis.set(keys.turn(what), 1, nx=True, px=each))

    def end_turn(self, what: str, after: timedelta) -> None:
        """The next one may have it `after` this time."""
        self._redis.pexpire(keys.turn(what), after)

    def told(self) -> dict[str, Told]:
        return {str(key): _load(str(row)) for key, row in self._redis.hgetall(keys.ALERTS).items()}

    def acknowledge(self, key: str, words: str, by: str, *, now: datetime) -> None:
        """An operator is on it: for a day, or until it is over, or has become more."""
        self._redis.hset(keys.ACKNOWLEDGED, key, json.dumps([words, by, codec.ms(now + _ACKNOWLEDGED)]))

    def acknowledged(self, *, now: datetime) -> dict[tuple[str, str], str]:
        """Problem, and how it was told then → who is on it."""
        rows = {str(key): json.loads(row) for key, row in self._redis.hgetall(keys.ACKNOWLEDGED).items()}
        return {(key, words): str(by) for key, (words, by, until) in rows.items() if codec.from_ms(until) > now}

    def write(self, told: Mapping[str, Told], *, before: Mapping[str, Told]) -> None:
        pipe = self._redis.pipeline(transaction=True)
        if gone := before.keys() - told.keys():
            pipe.hdel(keys.ALERTS, *gone)
            pipe.hdel(keys.ACKNOWLEDGED, *gone)
        if told:
            pipe.hset(keys.ALERTS, mapping={key: _dump(each) for key, each in told.items()})
        pipe.execute()


def _dump(told: Told) -> str:
    at = codec.ms(told.at) if told.at else None
    return json.dumps([codec.ms(told.since), codec.ms(told.seen), at, told.what])


def _load(row: str) -> Told:
    since, seen, at, what = json.loads(row)
    return Told(codec.from_ms(since), codec.from_ms(seen), codec.from_ms(at) if at else None, what)
