"""One suite for every provider folder: each sample, through the running app, must end as it says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import EnvironBuilder, run_wsgi_app

from integration_app.bootstrap import Services
from integration_app.model import Evidence, InboundMessage
from integration_app.providers import registry
from integration_app.providers.base import Outcome
from integration_app.store import codec, keys
from integration_app.web.app import create_app
from tests.conftest import REPO, Clock

UID, PHONE, TOKEN = "uid-of-the-samples", "+15550001111", "abcdefghij234567"
WANTED = (
    "genuine", "genuine_rotated_secret", "genuine_unknown_fields", "tampered", "missing_header", "wrong_secret",
    "wrong_event", "odd", "empty", "huge", "unknown_recipient|unknown_sender", "nulls|genuine_nulls",
)  # fmt: skip
MEANS = {
    "genuine": ("stored",),
    "tampered": ("bad signature", "malformed"),  # a token proves who calls, not what is said
    "missing_header": ("bad signature",),
    "wrong_secret": ("bad signature",),
    "unknown_recipient": ("unknown recipient",),
    "empty": ("malformed", "bad signature"),
}
"""What a sample of such a name must end as."""


def _folder(provider: str) -> Any:
    return resources.files(f"integration_app.providers.{provider.replace('-', '_')}").joinpath("samples")


def _read(provider: str, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_folder(provider).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def _samples(provider: str) -> list[str]:
    names = sorted(item.name.removesuffix(".json") for item in _folder(provider).iterdir())
    return [name for name in names if name != "settings"]


ALL = [(provider, name) for provider in registry.specs() for name in _samples(provider)]


class Door:
    """The app with all providers on, and one installation that the samples are meant for."""

    def __init__(self, services: Services, redis: Redis) -> None:
        self.client: FlaskClient = create_app(services).test_client()
        self.redis = redis
        services.installations.add(UID, now=services.clock())
        for linked in (PHONE, *(spec.account for spec in registry.specs().values() if spec.account)):
            services.installations.link_phone(UID, linked)
        redis.set(keys.inbox(TOKEN), UID)

    def send(self, sample: dict[str, Any]) -> Any:
        builder = EnvironBuilder(
            path=sample["target"], method=sample["method"], headers=sample["headers"], data=_body(sample)
        )
        builder.request_uri = sample["target"]
        return self.client.open(builder)

    def stored(self) -> list[InboundMessage]:
        ids = map(str, self.redis.zrange(keys.MESSAGES, 0, -1))
        rows = [self.redis.hgetall(keys.message(message_id)) for message_id in ids]
        return [codec.load_message(str(row["envelope"]), str(row["content"])) for row in rows]


@pytest.fixture
def door(build: Callable[..., Services], redis: Redis) -> Door:
    env = {name: value for provider in registry.specs() for name, value in _read(provider, "settings").items()}
    return Door(build(**env), redis)


def _body(sample: dict[str, Any]) -> bytes:
    body = _unrepeated(sample)
    repeat = sample.get("repeat", {})
    if "find" in repeat:
        return body.replace(repeat["find"].encode(), repeat["find"].encode() * repeat["times"])
    return body


def _unrepeated(sample: dict[str, Any]) -> bytes:
    if "body_base64" in sample:
        return base64.b64decode(sample["body_base64"])
    if "body" in sample:
        return str(sample["body"]).encode()
    fields = dict(sample.get("form") or sample.get("json") or {})
    if (repeat := sample.get("repeat")) and "field" in repeat:
        fields[repeat["field"]] *= repeat["times"]
    if "form" in sample:
        return urlencode(fields).encode()
    return json.dumps(fields).encode() if "json" in sample else b""


@pytest.mark.parametrize(("provider", "name"), ALL)
def test_a_sample_ends_as_it_says(door: Door, provider: str, name: str) -> None:
    sample = _read(provider, name)
    answer = door.send(sample)
    assert answer.status_code == sample["status"], sample["why"]
    kept = door.stored()
    assert len(kept) == (1 if sample["outcome"] in ("stored", "recorded") else 0), sample["why"]
    counted = door.redis.hget(keys.COUNTERS, f"webhooks:{provider}:{sample['outcome']}")
    wanted = None if sample["outcome"] == Outcome.UNAVAILABLE else "1"  # the store may be what is away
    assert counted == wanted, f"counted as {door.redis.hgetall(keys.COUNTERS)}"
    for field, expected in sample.get("message", {}).items():
        assert _field(kept[0], field) == expected


def _field(message: InboundMessage, field: str) -> Any:
    content = message.content
    if field == "attachments":
        return [attachment.content_type for attachment in content.attachments]
    if field == "is_reply":
        return any(name in ("in-reply-to", "references") for name, _ in content.headers)
    if field == "evidence":
        empty = asdict(Evidence())
        said = {name: value for name, value in asdict(message.evidence).items() if value != empty[name]}
        return json.loads(json.dumps(said))
    if field == "has_mime":
        return content.mime is not None
    if field == "sent_at":
        return message.sent_at.isoformat() if message.sent_at else None
    return getattr(content, field) if hasattr(content, field) else getattr(message, field)


@pytest.mark.parametrize("provider", registry.specs())
def test_a_genuine_event_delivered_twice_is_stored_once(door: Door, provider: str) -> None:
    sample = _read(provider, next(name for name in _samples(provider) if name.startswith("genuine")))
    statuses = [door.send(sample).status_code for _ in range(2)]
    assert statuses == [sample["status"]] * 2
    assert len(door.stored()) == 1


def test_a_token_that_was_seen_is_worth_no_other_mail(door: Door) -> None:
    """This vendor's signature does not cover the mail: a captured one must not carry other words."""
    sample = _read("mailgun", "genuine")
    door.send(sample)
    door.send(sample | {"form": sample["form"] | {"body-plain": "Other words", "Message-Id": "<other@example.com>"}})
    (only,) = door.stored()
    assert only.content.text != "Other words"


@pytest.mark.parametrize("provider", registry.specs())
def test_a_probe_is_answered_without_effect(door: Door, provider: str) -> None:
    for method in ("GET", "HEAD"):
        assert door.client.open(f"/webhooks/{provider}", method=method).status_code == 200
    assert door.stored() == []


@pytest.mark.parametrize("provider", registry.specs())
def test_every_method_gets_a_status_that_the_provider_chose(door: Door, provider: str) -> None:
    chosen = {*registry_statuses(provider), 200}
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert door.client.open(f"/webhooks/{provider}", method=method).status_code in chosen


def registry_statuses(provider: str) -> set[int]:
    from environs import Env

    made = registry.specs()[provider].from_env(Env())
    assert made is not None
    return set(made.statuses.values())


@pytest.mark.parametrize("provider", registry.specs())
def test_every_outcome_has_a_status(door: Door, provider: str) -> None:
    from environs import Env

    made = registry.specs()[provider].from_env(Env())
    assert made is not None
    assert {made.reply(outcome).status for outcome in Outcome} >= {200, 503}
    assert set(made.statuses) == set(Outcome) - {Outcome.PROBE, Outcome.ACKNOWLEDGED, Outcome.OVER_LIMIT}


SITUATIONS = (
    Outcome.STORED, Outcome.DUPLICATE, Outcome.BAD_SIGNATURE, Outcome.NOT_CONFIGURED, Outcome.MALFORMED,
    Outcome.UNKNOWN_RECIPIENT, Outcome.TOO_LARGE, Outcome.UNAVAILABLE,
)  # fmt: skip


def test_the_outcome_matrix_of_the_running_app_is_the_documented_one(
    build: Callable[..., Services], redis: Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every cell is a request that was sent and answered; nothing is read from a table of ours."""
    env = {name: value for provider in registry.specs() for name, value in _read(provider, "settings").items()}
    door = Door(build(**env), redis)
    away = create_app(build(REDIS_URL="redis://127.0.0.1:1/0")).test_client()
    for spec in registry.specs().values():
        for name in spec.settings:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REDIS_URL", _url(redis))
    off = create_app(build()).test_client()
    rows = ["| provider | " + " | ".join(SITUATIONS) + " |", "| --- |" + " --- |" * len(SITUATIONS)]
    for provider in registry.specs():
        cells = [_situation(door, off, away, provider, situation) for situation in SITUATIONS]
        rows.append(f"| {provider} | " + " | ".join(map(str, cells)) + " |")
    with capsys.disabled():
        print("\n" + "\n".join(rows))
    assert "\n".join(rows) in REPO.joinpath("docs", "providers.md").read_text(encoding="utf-8")


def _url(redis: Redis) -> str:
    options = redis.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options['db']}"


def _situation(door: Door, off: FlaskClient, away: FlaskClient, provider: str, situation: Outcome) -> int:
    genuine = _read(provider, next(name for name in _samples(provider) if name.startswith("genuine")))
    client = {Outcome.NOT_CONFIGURED: off, Outcome.UNAVAILABLE: away}.get(situation, door.client)
    sample, environ = genuine, {}
    if situation is Outcome.TOO_LARGE:
        environ["CONTENT_LENGTH"] = str(registry.specs()[provider].provider.max_body_bytes + 1)
    elif situation in (Outcome.BAD_SIGNATURE, Outcome.MALFORMED, Outcome.UNKNOWN_RECIPIENT):
        sample = next(found for name in _samples(provider) if (found := _read(provider, name))["outcome"] == situation)
    builder = EnvironBuilder(
        path=sample["target"], method=sample["method"], headers=sample["headers"], data=_body(sample)
    )
    builder.request_uri = sample["target"]
    made = builder.get_environ() | environ
    _, status, _ = run_wsgi_app(client.application, made)  # a client would correct the length
    if situation in SITUATIONS and client is door.client:
        counted = door.redis.hget(keys.COUNTERS, f"webhooks:{provider}:{situation}")
        assert counted == "1", f"{provider}: {situation} was counted as {door.redis.hgetall(keys.COUNTERS)}"
    return int(status.partition(" ")[0])


@pytest.mark.parametrize("provider", registry.specs())
def test_a_folder_is_complete(provider: str) -> None:
    names = _samples(provider)
    assert len(names) >= 8
    for kind in WANTED:
        assert any(name.startswith(tuple(kind.split("|"))) for name in names), f"{provider} has no sample {kind}"
    for name in names:
        outcomes = next((found for kind, found in MEANS.items() if name.startswith(kind)), None)
        assert outcomes is None or _read(provider, name)["outcome"] in outcomes, name
    assert "{url" in registry.setup_text(provider)


@pytest.mark.parametrize("provider", registry.specs())
def test_a_provider_that_is_off_answers_as_its_vendor_needs(
    build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    spec = registry.specs()[provider]
    services = build()
    for name in spec.settings:
        monkeypatch.delenv(name, raising=False)
    services = build()
    answer = create_app(services).test_client().post(f"/webhooks/{provider}", data=b"x")
    assert answer.status_code == spec.provider.statuses[Outcome.NOT_CONFIGURED]


def test_one_captured_signature_is_worth_one_message(door: Door) -> None:
    """The string that this vendor signs has no separators: other fields can be cut from it."""
    sample = _read("twilio", "genuine_sms")
    form = sample["form"]
    sid = form["MessageSid"]
    door.send(sample)
    moved = form | {"MessageSid": sid[:10]}
    moved[sid[10:] + "NumMedia"] = moved.pop("NumMedia")
    door.send(sample | {"form": moved})
    assert len(door.stored()) == 1


def test_an_unknown_provider_is_a_plain_404(door: Door) -> None:
    assert door.client.post("/webhooks/nobody", data=b"x").status_code == 404


def test_what_a_sender_builds_is_taken_for_genuine(build: Callable[..., Services], redis: Redis, clock: Clock) -> None:
    door = Door(build(), redis)
    import os
    from dataclasses import replace

    for name, spec in registry.specs().items():
        assert spec.sender is not None
        sender = spec.sender(os.environ)
        for sample in sender.samples().values():
            message = replace(
                sample,
                sender=sample.sender.replace("{phone}", PHONE).replace("{account}", spec.account),
                to=sample.to.replace("{inbox}", f"{TOKEN}@in.example.com"),
            )
            made = sender.build_request(message, "https://inbox.example.com", clock())
            answer = door.client.post(made.path, headers=dict(made.headers), data=made.body)
            assert 200 <= answer.status_code < 300, name
    assert len(door.stored()) == sum(
        len(spec.sender(os.environ).samples()) for spec in registry.specs().values() if spec.sender
    )
