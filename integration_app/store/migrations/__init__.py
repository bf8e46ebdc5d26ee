"""Steps from the data of one release to that of the next, in order, each safe to repeat.

`omi-inbox migrate` runs them, and so does the first worker of a new release. Old and new processes run side by side
meanwhile, so a step only adds: readers tolerate what they do not know, and nothing is taken away before the release
after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.installations import Installations

_UPDATED = timedelta(days=1)
"""In which an update has reached every process."""


@dataclass(frozen=True, slots=True)
class Step:
    """`number` is that of the schema it leads to."""

    number: int
    what: str
    run: Callable[[Redis, datetime], None]


def _fill_in_lists(redis: Redis, now: datetime) -> None:
    Installations(redis).complete()


def _adopt(redis: Redis, now: datetime) -> None:
    """Data of before 0.3 has no mark that it is ours."""
    if redis.exists(keys.SEQ):
        redis.hsetnx(keys.STORE, "epoch", "1")
        redis.hsetnx(keys.STORE, "made_ms", str(codec.ms(now)))


def _pack_later(redis: Redis, now: datetime) -> None:
    """A store that was begun by this version has no processes of an earlier one."""
    if not redis.hexists(keys.STORE, "known"):
        redis.hsetnx(keys.STORE, "packs_ms", str(codec.ms(now + _UPDATED)))


STEPS = (
    Step(1, "lists of allowed senders, and who left, as scripts read them", _fill_in_lists),
    Step(2, "a mark that this store is ours, and its epoch", _adopt),
    Step(3, "when delivered messages may be packed: a day after the update", _pack_later),
)


class Migrations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def schema(self) -> int:
        return int(self._redis.hget(keys.STORE, "schema") or 0)

    def pending(self) -> list[Step]:
        done = self.schema()
        return [step for step in STEPS if step.number > done]

    def run(self, *, now: datetime) -> list[str]:
        """Run what has not run yet. Returns what was done."""
        told = []
        for step in self.pending():
            step.run(self._redis, now)
            if self._redis.hexists(keys.STORE, "epoch"):  # a store that is not ours keeps no mark of us
                self._redis.hset(keys.STORE, "schema", step.number)
            told.append(step.what)
        return told
