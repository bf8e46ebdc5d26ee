"""Words end when it was promised: dropped mail at once, what is erased on the disk too."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Content, Evidence, Preferences, Route
from integration_app.store import keys
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, text
from tests.sandbox_control import SandboxControl

FORGED = Evidence(dmarc="fail", policy="reject")


def held(services: Services, words: str, *uids: str) -> str:
    tokens = [services.installations.tokens(uid)[0] for uid in uids]
    return text(
        services, "", channel="email", route=Route.RECIPIENT, sender="ana@example.com", evidence=FORGED,
        recipients=tuple(f"{token}@in.example.com" for token in tokens), content=Content(text=words, subject="Invoice"),
    )  # fmt: skip


def said(redis: Redis, words: str) -> bool:
    return any(words in str(redis.hgetall(key)) for key in redis.scan_iter("oi:message:*"))


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    link(services, "u", "v")


def test_a_dropped_mail_is_forgotten_at_once(services: Services, redis: Redis, clock: Clock) -> None:
    message_id = held(services, "pay at once", "u")
    assert said(redis, "pay at once")
    services.quarantine.drop(message_id, "u", why="the user", now=clock())
    assert not said(redis, "pay at once")
    assert not said(redis, "Invoice")


def test_what_is_not_released_in_time_is_forgotten_then(services: Services, redis: Redis, clock: Clock) -> None:
    held(services, "pay at once", "u")
    clock.pass_time(days=7.1)
    services.retention.sweep(clock())
    assert not said(redis, "pay at once")


def test_who_was_to_get_it_too_keeps_it(
    services: Services, redis: Redis, sandbox: SandboxControl, clock: Clock
) -> None:
    message_id = held(services, "pay at once", "u", "v")
    services.quarantine.drop(message_id, "u", why="the user", now=clock())
    assert said(redis, "pay at once")
    services.quarantine.release(message_id, "v", by="the user", now=clock())
    run_to_rest(services, clock)
    assert "pay at once" in sandbox.texts("v")[0]


def test_a_held_mail_is_in_the_export(services: Services) -> None:
    held(services, "pay at once", "u")
    (row,) = services.erasure.export("u")["messages"]
    assert row["as_it_came"]["text"] == "pay at once"


def test_what_is_erased_is_gone_from_the_disk(services: Services, redis: Redis, clock: Clock) -> None:
    services.installations.prefer("u", Preferences(paused=True, paused_at=clock()))
    text(services, "a word of mine that nobody else writes")
    folder = Path(str(redis.config_get("dir")["dir"])) / str(redis.config_get("appenddirname")["appenddirname"])
    if redis.config_get("appendonly")["appendonly"] != "yes":
        pytest.fail("the test's Redis has to write an append-only file")

    def on_disk() -> bool:
        return any(b"nobody else writes" in path.read_bytes() for path in folder.iterdir())

    assert on_disk()
    services.erasure.erase("u")
    services.erasure.erase("v")
    while redis.info("persistence")["aof_rewrite_in_progress"]:  # of an earlier test: a second one would be refused
        redis.blpop(["oi:nothing"], timeout=0.05)
    services.retention.sweep(clock())
    for _ in range(200):
        if not redis.info("persistence")["aof_rewrite_in_progress"] and not on_disk():
            return
        redis.blpop(["oi:nothing"], timeout=0.05)
    raise AssertionError("the words are still in the append-only file")


def test_the_file_is_written_anew_once_a_day_in_any_case(services: Services, redis: Redis, clock: Clock) -> None:
    services.retention.sweep(clock())
    before = redis.info("persistence")["aof_rewrites"]
    services.retention.sweep(clock())
    assert redis.info("persistence")["aof_rewrites"] == before
    assert redis.exists(keys.REWRITTEN)
