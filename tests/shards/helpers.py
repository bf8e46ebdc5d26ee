"""What the tests of several shards do and ask alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.model import Story
from tests.conftest import Clock
from tests.integration.helpers import let_settle
from workers.jobs import OF_PART, run_due

UIDS = tuple(f"user{number}" for number in range(8))


Wide = Callable[..., Services]


def work(services: Services, clock: Clock) -> None:
    """What a worker does until nothing is due, part by part."""
    for _ in range(50):
        at = services.due.oldest()
        if at is None:
            return
        clock.now = max(clock.now, at)
        clock.pass_time(milliseconds=1)
        for number, part in enumerate(services.parts):
            let_settle(part, clock)
            for name in part.due.turn(now=clock(), repeat_ms=15_000, limit=100)[1]:
                run_due(services, f"{number}{OF_PART}{name}")
    raise AssertionError("it never came to rest")


def homes(services: Services) -> dict[str, int]:
    """In which part each user is."""
    return {uid: number for number, part in enumerate(services.parts) for uid in part.installations.uids()}


class Broken:
    """A shard that is away."""

    def accept(self, *_: object, **__: object) -> object:
        raise RedisError("away")


def other_than(services: Services, uid: str) -> int:
    return (homes(services)[uid] + 1) % len(services.parts)


class Cut(BaseException):
    """The mover dies here."""


def fail_once(services: Services, one: Any, *away: int) -> None:
    """One attempt of the vendor's, while these shards are away."""
    ingest: Any = services.ingest
    real = list(ingest._each)
    for number in away:
        ingest._each[number] = Broken()
    with suppress(RedisError, StoreUnfit):
        services.intake.accept(one)
    ingest._each[:] = real


def taken(services: Services, one: Any) -> bool:
    """Whether the door takes it by now."""
    try:
        return bool(services.intake.accept(one))
    except StoreUnfit:
        return False


def work_now(services: Services) -> bool:
    """What a worker does at this moment; whether nothing is due any more."""
    for number, part in enumerate(services.parts):
        for name in part.due.turn(now=services.clock(), repeat_ms=1000, limit=100)[1]:
            run_due(services, f"{number}{OF_PART}{name}")
    return services.due.oldest() is None


def told(story: Story) -> list[str]:
    """What happened; of one moment in any order."""
    return sorted(json.dumps(event.as_dict(), sort_keys=True, default=str) for event in story.events)


def traces(services: Services, uid: str) -> dict[int, list[str]]:
    """Keys of each part that name this user, or whose value does."""
    found: dict[int, list[str]] = {}
    for number, part in enumerate(services.parts):
        redis = part.inbox._redis
        for key in map(str, redis.scan_iter("*")):
            raw = redis.dump(key)
            if uid in key or uid.encode() in bytes(raw or b""):
                found.setdefault(number, []).append(key)
    return found
