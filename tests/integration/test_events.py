"""Events that describe themselves, and raw mails: from the door to Omi."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from integration_app.bootstrap import Services
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from integration_app.standard_webhooks import sign
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import link, ready, run_due, text
from tests.sandbox_control import SandboxControl


def post(services: Services, secret: str, event: Mapping[str, object], identifier: str = "msg_1") -> int:
    body, now = json.dumps(event).encode(), int(services.clock().timestamp())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": identifier,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, identifier, now, body),
    }
    client = create_app(services).test_client()
    return client.post("/webhooks/standard-webhooks", headers=headers, data=body).status_code


def drain(services: Services) -> None:
    for uid in ready(services):
        services.drain.run(uid)


def test_an_event_reaches_omi_as_it_says(
    build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str]
) -> None:
    services = build()
    sandbox.enable("u")
    link(services, "u")
    event = {
        "type": "conversation.create",
        "data": {
            "uid": "u",
            "text": "Ana: Shall we meet?\n\nMe: Friday at seven.",
            "started_at": "2026-11-19T08:00:00+01:00",
            "finished_at": "2026-11-19T08:20:00+01:00",
            "text_source": "audio_transcript",
            "text_source_spec": "meeting",
            "language": "pt",
            "geolocation": {"latitude": 38.71, "longitude": -9.13},
        },
    }
    assert post(services, settings["STANDARD_WEBHOOKS_SECRETS"], event) == 202
    drain(services)
    (held,) = sandbox.conversations("u")
    said = held["external_data"]
    assert said["text"] == "Ana: Shall we meet?\n\nMe: Friday at seven."
    assert (said["text_source"], said["text_source_spec"], said["language"]) == ("audio_transcript", "meeting", "pt")
    assert held["started_at"].startswith("2026-11-19T07:00:00.")
    assert held["finished_at"].startswith("2026-11-19T07:20:00")
    assert held["geolocation"] == {"latitude": 38.71, "longitude": -9.13}


def test_events_are_never_joined_with_each_other(
    build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str]
) -> None:
    services = build()
    sandbox.enable("u")
    link(services, "u")
    for number in range(3):
        event = {"type": "conversation.create", "data": {"uid": "u", "text": f"entry {number}"}}
        post(services, settings["STANDARD_WEBHOOKS_SECRETS"], event, f"msg_{number}")
    drain(services)
    assert sorted(sandbox.texts("u")) == ["entry 0", "entry 1", "entry 2"]


def test_memories_with_tags(build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str]) -> None:
    services = build()
    sandbox.enable("u")
    link(services, "u")
    event = {"type": "memories.create", "data": {"uid": "u", "text": "Allergic to peanuts", "tags": ["health"]}}
    assert post(services, settings["STANDARD_WEBHOOKS_SECRETS"], event) == 202
    drain(services)
    (held,) = sandbox.memories("u")
    assert (held["content"], held["tags"], held["source_id"]) == ("Allergic to peanuts", ["health"], "msg_1")


def test_a_raw_mail_reaches_omi_and_a_second_hop_does_not_double_it(
    build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str]
) -> None:
    services = build()
    sandbox.enable("u")
    link(services, "u")
    found = services.installations.get("u")
    assert found is not None
    make = registry.specs()["raw-mail"].sender
    assert make is not None
    to = f"{found.inbox_token}@in.example.com"
    message = SampleMessage(sender="ana@example.com", to=to, text="Gate 12. Olá!", subject="Boarding pass")
    made = make(settings).build_request(message, "https://inbox.example.com", services.clock())
    client = create_app(services).test_client()
    bearer = {"Authorization": f"Bearer {settings['RAW_MAIL_TOKENS']}"}
    kept = {name: value for name, value in made.headers.items() if not name.startswith("webhook-")}
    for body in (made.body, b"Received: by another hop\n" + made.body):
        assert client.post(made.path, headers=kept | bearer, data=body).status_code == 200
    drain(services)
    (held,) = sandbox.conversations("u")
    assert held["external_data"]["text"].startswith("From: ana@example.com\nSubject: Boarding pass\n")
    assert held["external_data"]["text"].endswith("Gate 12. Olá!")


def test_an_event_does_not_wait_for_a_quiet_window(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    from integration_app.model import Hints

    sandbox.enable("u")
    link(services, "u")
    text(services, "now", hints=Hints(), channel="event")
    run_due(services, clock)
    assert sandbox.texts("u") == ["now"]
