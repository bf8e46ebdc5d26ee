"""The doors over HTTP, in-process: health, framework errors, a Redis that is away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import GateScope
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import refusal

BASE = "https://inbox.example.com"


def test_livez_needs_nothing(build: Callable[..., Services]) -> None:
    client = create_app(build(REDIS_URL="redis://127.0.0.1:1/0")).test_client()
    assert client.get("/livez").get_json() == {"status": "ok"}


def test_readyz_is_ok_with_redis_and_a_worker(services: Services, clock: Clock) -> None:
    services.health.beat("w1", now=clock())
    answer = create_app(services).test_client().get("/readyz")
    assert answer.status_code == 200, answer.get_json()
    assert answer.get_json() | {"workers": 1, "oldest_due_seconds": 0.0} == answer.get_json()


def test_readyz_says_when_no_worker_is_alive(services: Services, clock: Clock) -> None:
    services.health.beat("w1", now=clock())
    clock.pass_time(seconds=61)
    answer = create_app(services).test_client().get("/readyz")
    assert answer.status_code == 200, "the doors stay open: texts can be accepted"
    assert answer.get_json()["status"] == "degraded"
    assert answer.get_json()["problems"] == [
        "no worker was seen in the last 45 seconds → start one: messages are taken in and wait"
    ]


def test_readyz_says_when_everybody_waits(services: Services, clock: Clock) -> None:
    services.health.beat("w1", now=clock())
    until = clock() + timedelta(minutes=1)
    services.gates.close(GateScope.ALL, "u", None, refusal(until, "Omi refused our API key"), now=clock())
    problems = create_app(services).test_client().get("/readyz").get_json()["problems"]
    assert problems == [
        "everybody waits until 08:01:00 UTC: Omi refused our API key → omi-inbox resume --everybody opens it now, before its time"
    ]


def test_readyz_tells_how_late_the_oldest_outbox_is(services: Services, clock: Clock) -> None:
    services.health.beat("w1", now=clock())
    services.due.set("u", clock())
    clock.pass_time(seconds=30)
    assert create_app(services).test_client().get("/readyz").get_json()["oldest_due_seconds"] == 30.0


def test_readyz_names_a_redis_that_would_lose_messages(services: Services, redis: Redis, clock: Clock) -> None:
    services.health.beat("w1", now=clock())
    before = {name: str(redis.config_get(name)[name]) for name in ("maxmemory-policy", "maxmemory", "appendonly")}
    try:
        redis.config_set("maxmemory", "200mb")
        redis.config_set("maxmemory-policy", "allkeys-lru")
        redis.config_set("appendonly", "no")
        problems = create_app(services).test_client().get("/readyz").get_json()["problems"]
    finally:
        for name, value in before.items():
            redis.config_set(name, value)
    assert any("allkeys-lru" in problem for problem in problems)
    assert any("appendonly yes" in problem for problem in problems)


def test_readyz_is_503_without_redis(build: Callable[..., Services]) -> None:
    client = create_app(build(REDIS_URL="redis://127.0.0.1:1/0")).test_client()
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("provider", registry.specs())
def test_without_redis_a_genuine_webhook_is_answered_503_and_sent_again(
    build: Callable[..., Services], settings: dict[str, str], clock: Clock, provider: str
) -> None:
    client = create_app(build(REDIS_URL="redis://127.0.0.1:1/0")).test_client()
    make = registry.specs()[provider].sender
    assert make is not None
    sender = make(settings)
    made = sender.build_request(
        SampleMessage(sender="+15550001111", to="abcdefghij234567@in.example.com", text="x"), BASE, clock()
    )
    answer = client.post(made.path, headers=dict(made.headers), data=made.body)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"


def test_unknown_paths_and_methods_are_short_json(services: Services) -> None:
    client = create_app(services).test_client()
    assert client.get("/nothing").get_json() == {"error": "Not Found"}
    assert client.post("/livez").status_code == 405
    assert client.post("/webhooks/nobody").status_code == 404


def test_a_crash_of_ours_never_makes_the_vendor_drop_a_message(
    services: Services, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(type(services.intake), "accept", crash)
    make = registry.specs()["hello"].sender
    assert make is not None
    made = make(settings).build_request(
        SampleMessage(sender="x", to="a@in.example.com", text="x"), BASE, services.clock()
    )
    answer = create_app(services).test_client().post(made.path, headers=dict(made.headers), data=made.body)
    assert answer.status_code == 503


def test_no_cookie_is_ever_set_on_a_webhook(services: Services) -> None:
    answer = create_app(services).test_client().post("/webhooks/hello", data=b"x")
    assert "Set-Cookie" not in answer.headers
