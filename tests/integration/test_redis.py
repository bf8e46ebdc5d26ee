"""What Redis must and may do: a failover, forgetting, and how much a waiting message takes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.model import Delivery, Kind, Lane
from integration_app.store import keys
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl
from tests.sentinels import Sentinels, within

CANARY = "canary-in-the-text"


# --- forgetting -------------------------------------------------------------------------------------------------


def days_pass_in_redis(redis: Redis, days: float) -> None:
    """Redis's clock cannot be moved, so everything that expires comes nearer to its end instead."""
    step = int(timedelta(days=days).total_seconds() * 1000)
    for key in list(redis.scan_iter("*")):
        left = redis.pttl(key)
        if left > step:
            redis.pexpire(key, left - step)
        elif left > 0:
            redis.delete(key)


def everything_in(redis: Redis) -> str:
    """All that Redis holds, in words."""
    found = []
    for key in redis.scan_iter(f"{keys.PREFIX}*"):
        match redis.type(key):
            case "string":
                found.append(str(redis.get(key)))
            case "hash":
                found.append(json.dumps(redis.hgetall(key)))
            case "list":
                found.append(str(redis.lrange(key, 0, -1)))
            case "set":
                found.append(str(redis.smembers(key)))
            case "zset":
                found.append(str(redis.zrange(key, 0, -1)))
    return "\n".join(found)


def test_text_is_gone_a_week_after_delivery(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable("u")
    link(services, "u")
    text(services, CANARY)
    text(services, f"remember: {CANARY}")
    run_to_rest(services, clock)
    assert CANARY in everything_in(redis)
    days_pass_in_redis(redis, 6.9)
    assert CANARY in everything_in(redis)
    days_pass_in_redis(redis, 0.2)
    assert CANARY not in everything_in(redis)
    clock.pass_time(days=7.1)
    services.retention.sweep(clock())
    assert redis.zcard(keys.MESSAGES) == 0


def test_dead_letters_and_dedupe_keys_are_gone_after_thirty_days(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable("u")
    link(services, "u")
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("timeout_after")
    message_id = text(services, CANARY)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    days_pass_in_redis(redis, 29.9)
    assert CANARY in everything_in(redis)
    assert list(redis.scan_iter(f"{keys.SEEN_IN}*"))
    days_pass_in_redis(redis, 0.2)
    assert CANARY not in everything_in(redis)
    assert not list(redis.scan_iter(f"{keys.PREFIX}seen:*"))
    clock.pass_time(days=30.1)
    services.retention.sweep(clock())
    assert redis.zcard(keys.PARKED) == 0


def test_a_text_that_one_uid_still_waits_for_is_kept_whole(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable("u")
    link(services, "u", "v")
    text(services, CANARY)
    clock.pass_time(seconds=21)
    for uid in ("u", "v"):
        services.drain.run(uid)
    days_pass_in_redis(redis, 365)
    assert CANARY in everything_in(redis), "v has not enabled the app yet"


def test_a_waiting_message_takes_little(build: Callable[..., Services], redis: Redis) -> None:
    services = build(SENDER_MESSAGES_PER_MINUTE="0")
    link(services, "u")
    text(services, "warm up")
    before = int(redis.info("memory")["used_memory"])
    for _ in range(2000):
        text(services, "x" * 100)
    each = (int(redis.info("memory")["used_memory"]) - before) / 2000
    print(f"\n{each:.0f} bytes for a waiting message of 100 characters")
    assert each < 4000


# --- failover ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    made = Sentinels(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_with_a_replica_in_reach_a_message_is_acknowledged(
    build: Callable[..., Services], sentinels: Sentinels, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    within(20, sentinels.in_sync)
    services = build(REDIS_URL=sentinels.url, ACK_REPLICAS="1", ACK_WAIT_MS="1500")
    within(10, services.health.write_and_read_back)
    services.identity.init(now=clock())
    link(services, "u")
    text(services, "replicated")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: replicated"]
    sentinels.kill("replica")
    with pytest.raises(StoreUnfit):
        text(services, "alone")


def test_a_repeated_begin_waits_for_the_replica_too(
    build: Callable[..., Services], sentinels: Sentinels, sandbox: SandboxControl, clock: Clock
) -> None:
    """Its first answer was lost, and the client repeats it on another connection."""
    sandbox.enable("u")
    within(20, sentinels.in_sync)
    settings = {"REDIS_URL": sentinels.url, "ACK_REPLICAS": "1", "ACK_WAIT_MS": "500"}
    services = build(**settings)
    within(10, services.health.write_and_read_back)
    services.identity.init(now=clock())
    link(services, "u")
    message_id = text(services, "hi")
    lease = services.due.claim("u", now=clock(), salt="s")
    assert lease is not None
    lane = Lane("sms", "x", Kind.CONVERSATION)
    delivery = Delivery("d1", "u", lane, (message_id,), {"text": "x"}, clock(), clock(), clock())
    sentinels.signal("replica", signal.SIGSTOP)
    try:
        for begins in (services, build(**settings)):
            with pytest.raises(StoreUnfit):
                begins.deliveries.begin(lease, delivery, seq=1, now=clock())
    finally:
        sentinels.signal("replica", signal.SIGCONT)


def test_a_failover_keeps_what_was_accepted_and_goes_on(
    build: Callable[..., Services], sentinels: Sentinels, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    services = build(REDIS_URL=sentinels.url)
    within(20, sentinels.in_sync)
    services.identity.init(now=clock())
    within(10, services.health.write_and_read_back)
    link(services, "u")
    text(services, "before")
    within(10, sentinels.in_sync)
    sentinels.kill("primary")
    within(20, services.health.write_and_read_back)
    text(services, "after")
    run_to_rest(services, clock)
    assert "\n\n".join(sandbox.texts("u")) == "Me: before\n\nMe: after"
