"""An event is known for thirty days, however the days fall, and whichever clock a process has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.store import keys
from integration_app.store.ingest import Receipt
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link
from tests.unit.factories import message


def _receipt(services: Services, event: str) -> Receipt:
    arrived = message("hello", sender=PHONE, event_id=event, dedupe_keys=(event,))
    return services.intake.accept(arrived).receipt


@pytest.mark.parametrize("days", [0, 1, 9.9, 10, 19, 29.9])
@pytest.mark.parametrize("start", [0, 4.999, 9.99])
def test_it_is_known_within_thirty_days(services: Services, clock: Clock, days: float, start: float) -> None:
    link(services, "u")
    clock.pass_time(days=start)
    assert _receipt(services, "one") is Receipt.STORED
    clock.pass_time(days=days)
    assert _receipt(services, "one") is Receipt.DUPLICATE
    assert _receipt(services, "another") is Receipt.STORED


def test_it_is_forgotten_in_time(services: Services, clock: Clock, redis: Redis) -> None:
    link(services, "u")
    _receipt(services, "one")
    lives = [redis.ttl(key) for key in redis.scan_iter(f"{keys.SEEN_IN}*")]
    assert lives
    assert all(30 * 86_400 <= seconds <= 40 * 86_400 for seconds in lives), "with all that comes in the same ten days"
    clock.pass_time(days=45)
    assert _receipt(services, "one") is Receipt.STORED


def test_two_processes_whose_clocks_differ_know_the_same_events(services: Services, clock: Clock) -> None:
    """One is already in the next ten days, and the other is not."""
    link(services, "u")
    span = 864_000
    clock.pass_time(seconds=span - clock().timestamp() % span + 1)
    assert _receipt(services, "one") is Receipt.STORED
    clock.pass_time(seconds=-5)
    assert _receipt(services, "one") is Receipt.DUPLICATE


def test_what_an_earlier_version_wrote_is_known(services: Services, redis: Redis) -> None:
    link(services, "u")
    redis.hdel(keys.STORE, "known")  # it was begun by that version
    redis.set(f"{keys.SEEN}{hashlib.sha256(b'one').hexdigest()}", "m1", ex=1000)
    assert _receipt(services, "one") is Receipt.DUPLICATE


def test_more_events_are_spread_over_more_hashes_in_the_next_ten_days(
    build: Callable[..., Services], clock: Clock, redis: Redis
) -> None:
    services = build(SENDER_MESSAGES_PER_MINUTE="0", USER_MESSAGES_PER_DAY="0")
    link(services, "u")
    clock.pass_time(days=10)
    _receipt(services, "first")
    redis.incrby(keys.SEQ, 100_000)  # so many came in these ten days
    clock.pass_time(days=10)
    for number in range(50):
        _receipt(services, f"e{number}")
    planned = sorted(int(value.split()[0]) for value in redis.hvals(keys.SEEN_PLAN))
    assert planned == [64, 2048]
    assert all(_receipt(services, f"e{number}") is Receipt.DUPLICATE for number in range(50))
    assert _receipt(services, "first") is Receipt.DUPLICATE
