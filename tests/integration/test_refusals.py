"""What a door refused is seen where an operator looks: on the provider's page, in the API, by doctor."""

from __future__ import annotations

import pytest
from flask import Flask
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.operations import providers
from integration_app.providers import registry
from integration_app.web.app import create_app
from tests.conftest import Cli, Clock
from tests.integration.test_operator import signed_in


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


def refused(services: Services, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = next(row["refusals"] for row in providers(services) if row["name"] == name)
    return found


def test_a_wrong_signature_is_told_with_its_cause_and_cure(
    app: Flask, services: Services, cli: Cli, clock: Clock
) -> None:
    client = app.test_client()
    for _ in range(6):
        client.post("/webhooks/twilio", data={"Body": "private words"}, headers={"X-Twilio-Signature": "x"})
    rows = refused(services, "twilio")
    assert len(rows) == 6
    assert rows[0]["outcome"] == "bad signature"
    assert "https://inbox.example.com/webhooks/twilio" in rows[0]["cure"]
    assert "private words" not in str(rows)
    assert rows[0]["shape"].startswith("POST; application/x-www-form-urlencoded; 18 bytes; by Werkzeug")
    assert "x-twilio-signature" in rows[0]["shape"], "the names of headers, not their values"
    assert "=x" not in rows[0]["shape"]
    page = signed_in(app).get("/operator/providers").text
    assert "Refused lately: 6" in page
    assert "TWILIO_ACCOUNT_SID" in page
    said = cli("doctor").output
    assert "twilio: refused 6 lately" in said
    clock.pass_time(days=1.1)
    assert refused(services, "twilio") == []


def test_the_shape_of_a_refused_request_holds_little_of_a_strangers_words(app: Flask, services: Services) -> None:
    headers = {"User-Agent": "tok sk-live-123 +15550001111", "Content-Type": "a/" + "b" * 7000, "X-" + "y" * 300: "z"}
    app.test_client().post("/webhooks/twilio", data=b"words", headers=headers)
    shape = refused(services, "twilio")[0]["shape"]
    assert "sk-live" not in shape
    assert "1555" not in shape
    assert "by tok;" in shape, "what follows is still there"
    assert "user-agent" in shape
    assert len(shape) < 300


def test_a_provider_that_is_off_and_is_called_all_the_same(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, build: object, redis: Redis
) -> None:
    monkeypatch.delenv("POSTMARK_WEBHOOK_USERS")
    services: Services = build()  # type: ignore[operator]
    client = create_app(services).test_client()
    for _ in range(4):
        assert client.post("/webhooks/postmark", json={}).status_code == 404
    rows = refused(services, "postmark")
    assert (len(rows), rows[0]["cure"].partition(",")[0]) == (4, "set POSTMARK_WEBHOOK_USERS")


def test_every_outcome_of_every_provider_has_a_cure(services: Services) -> None:
    from integration_app.operations.providers import cure

    for name in registry.specs():
        for outcome in (
            "not configured",
            "bad signature",
            "malformed",
            "unknown recipient",
            "too large",
            "over a limit",
        ):
            assert len(cure(services, name, outcome)) > 10


def test_refusals_are_bounded(app: Flask, services: Services, redis: Redis) -> None:
    for _ in range(60):
        app.test_client().post("/webhooks/hello", json={})
    assert len(refused(services, "hello")) == 20


def test_a_monitor_may_ask_strictly(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/readyz").status_code == 200, "no worker: degraded, and open"
    assert client.get("/readyz?strict").status_code == 503
