"""What Omi calls: chat tools and the webhook of created memories. Only what Omi has signed does anything."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Made
from integration_app.operations import text_of
from integration_app.sandbox.webhooks import sign_v1, sign_v2
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl

TOOLS = {"inbox_status", "link_phone", "recent_messages", "my_inbox_address", "pause", "sign_in"}


class Omi:
    """Calls as Omi does, and signs with the sandbox's own code: an independent witness."""

    def __init__(self, app: Flask, services: Services, clock: Clock) -> None:
        self.client: FlaskClient = app.test_client()
        self.secret = services.settings.omi_webhook_secrets[0]
        self.clock = clock

    def headers(self, path: str, body: bytes, **change: Any) -> dict[str, str]:
        delivery = change.get("delivery", secrets.token_hex(16))
        stamp = int(self.clock().timestamp()) + change.get("late", 0)
        mac = sign_v2(change.get("secret", self.secret), stamp, delivery, "POST", f"https://x{path}", body)
        return {"X-Omi-Event": "chat_tool", "X-Omi-Delivery": delivery, "X-Omi-Signature": f"t={stamp},v2={mac}"}

    def tool(self, name: str, uid: str = "u", **values: Any) -> str:
        path = f"/omi/tools/{name}"
        body = json.dumps({"uid": uid, "tool_name": name} | values).encode()
        return self.said(path, body, self.headers(path, body))

    def said(self, path: str, body: bytes, headers: dict[str, str]) -> str:
        answer = self.client.post(path, data=body, headers=headers)
        assert answer.status_code == 200, "Omi takes anything else for a broken app"
        return str(answer.get_json()["result"])


@pytest.fixture
def omi(services: Services, clock: Clock) -> Omi:
    link(services, "u")
    return Omi(create_app(services), services, clock)


def test_the_manifest_names_every_tool(omi: Omi) -> None:
    manifest = omi.client.get("/.well-known/omi-tools.json").get_json()
    assert {tool["name"] for tool in manifest["tools"]} == TOOLS
    for tool in manifest["tools"]:
        assert tool["method"] == "POST"
        assert set(tool["parameters"]) == {"properties", "required"}
        assert "not signed" in omi.said(tool["endpoint"], b"{}", {})


def test_the_sandbox_can_read_the_manifest_and_call_the_tools(services: Services, omi: Omi) -> None:
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.inbox_token in omi.tool("my_inbox_address")


def test_a_code_for_signing_in_is_told_in_the_chat(omi: Omi, services: Services) -> None:
    """For whom no notification reached; it works in whichever browser it is typed into, once."""
    manifest = omi.client.get("/.well-known/omi-tools.json").get_json()
    assert manifest["chat_messages"] == {"enabled": True, "target": "app", "notify": False}
    said = omi.tool("sign_in", uid="somebody-new")
    code = re.search(r"\d{6}", said)
    assert code is not None
    codes = services.auth.login_codes
    assert not codes.take_code("somebody-else", "a browser", code.group())
    assert codes.take_code("somebody-new", "a browser", code.group())
    assert not codes.take_code("somebody-new", "a browser", code.group())
    for _ in range(200):
        said = omi.tool("sign_in", uid="somebody-new")
    assert "too often" in said


def test_wrong_codes_of_another_browser_do_not_end_a_code_of_the_chat(services: Services) -> None:
    codes = services.auth.login_codes
    code = codes.code_for_chat("u")
    assert code is not None
    for _ in range(6):
        codes.take_code("u", "another browser", "x")
    assert not codes.take_code("u", "another browser", code)
    assert codes.take_code("u", "my browser", code)


def test_status_and_recent_messages(omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.enable("u")
    assert "Nothing waits" in omi.tool("inbox_status")
    text(services, "Hello there")
    assert "Waiting: 1" in omi.tool("inbox_status")
    run_to_rest(services, clock)
    recent = omi.tool("recent_messages", count=3)
    assert "in your Omi" in recent
    assert "Hello there" not in recent


def test_pausing_and_going_on(omi: Omi, services: Services) -> None:
    assert "paused" in omi.tool("pause", paused=True)
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.preferences.paused
    assert "goes on" in omi.tool("pause", paused=False)
    assert "Say whether" in omi.tool("pause", paused="perhaps")


def test_a_code_asked_for_in_the_chat_links_a_phone(omi: Omi, services: Services) -> None:
    said = omi.tool("link_phone", uid="fresh")
    text(services, said.split()[1], sender="+15550007777")
    installation = services.installations.get("fresh")
    assert installation is not None
    assert installation.phones == ("+15550007777",)


@pytest.mark.parametrize(
    "spoil", ["body", "path", "secret", "empty", "late", "early", "delivery", "version", "none", "garbage"]
)
def test_what_omi_has_not_signed_does_nothing(omi: Omi, services: Services, spoil: str) -> None:
    path, body = "/omi/tools/pause", b'{"uid": "u", "paused": true}'
    changes: dict[str, dict[str, Any]] = {
        "secret": {"secret": "whsec_other"}, "empty": {"secret": ""}, "late": {"late": -301}, "early": {"late": 301},
    }  # fmt: skip
    headers = omi.headers(path, body, **changes.get(spoil, {}))
    if spoil == "body":
        body = body.replace(b'"u"', b'"v"')
    elif spoil == "path":
        path = "/omi/tools/inbox_status"
    elif spoil == "delivery":
        headers["X-Omi-Delivery"] = "another"
    elif spoil == "version":
        headers["X-Omi-Signature"] = headers["X-Omi-Signature"].replace("v2=", "v1=")
    elif spoil == "none":
        headers.pop("X-Omi-Signature")
    elif spoil == "garbage":
        headers["X-Omi-Signature"] = "t=١٢٣,v2=ü" + "," * 5000
    assert "not signed" in omi.said(path, body, headers)
    installation = services.installations.get("u")
    assert installation is not None
    assert not installation.preferences.paused


def test_a_call_that_was_recorded_and_sent_again_does_nothing(omi: Omi, services: Services) -> None:
    path, body = "/omi/tools/pause", b'{"uid": "u", "paused": true}'
    headers = omi.headers(path, body)
    assert "paused" in omi.said(path, body, headers)
    omi.tool("pause", paused=False)
    assert "answered before" in omi.said(path, body, headers)
    installation = services.installations.get("u")
    assert installation is not None
    assert not installation.preferences.paused


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"uid": 1}', b'{"uid": "a b"}', b"[" * 50_000, b"\xff"])
@pytest.mark.usefixtures("no_collection")
def test_odd_calls_are_answered_with_a_sentence(omi: Omi, body: bytes) -> None:
    path = "/omi/tools/inbox_status"
    assert omi.said(path, body, omi.headers(path, body))


def test_the_old_and_the_new_secret_both_count_while_one_is_changed(omi: Omi, services: Services) -> None:
    path, body = "/omi/tools/inbox_status", b'{"uid": "u"}'
    headers = omi.headers(path, body)
    stamp, mac = headers["X-Omi-Signature"].split(",")
    headers["X-Omi-Signature"] = f"{stamp},v2={'0' * 64},{mac}"
    assert "Nothing waits" in omi.said(path, body, headers)


# --- memory created -----------------------------------------------------------------------------------------


def created(
    omi: Omi, services: Services, words: str, *, app_id: str | None = None, secret: str | None = None, **more: Any
) -> Any:
    body = json.dumps({
        "id": "c1", "source": "external_integration", "app_id": app_id or services.settings.omi_app_id,
        "external_data": {"text": words}, **more,
    }).encode()  # fmt: skip
    stamp = int(omi.clock().timestamp())
    mac = sign_v1(secret or omi.secret, stamp, "u", body)
    return omi.client.post("/webhooks/omi?uid=u", data=body, headers={"X-Omi-Signature": f"t={stamp},v1={mac}"})


def events(services: Services, message_id: str) -> list[str]:
    story = services.timeline.show(message_id)
    assert story is not None
    return [event["event"] for event in story["events"]]


def test_our_own_conversation_is_confirmed_in_the_story_once(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    message_id = text(services, "Seen?")
    run_to_rest(services, clock)
    for _ in range(2):
        assert created(omi, services, "Me: Seen?").get_json() == {"status": "ok", "ours": True}
    assert events(services, message_id).count("seen in Omi") == 1


def test_what_omi_made_of_it_is_kept_with_the_text_and_erased_with_it(
    omi: Omi, services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.enable("u")
    message_id = text(services, "Dinner with Mara on Friday, buy flowers")
    run_to_rest(services, clock)
    structured = {"title": "Dinner", "overview": "With Mara.", "action_items": [{"description": "Buy flowers"}, 5]}
    created(omi, services, "Me: Dinner with Mara on Friday, buy flowers", structured=structured)
    made = services.inbox.made(message_id, "u")
    assert made == Made("Dinner", "With Mara.", ("Buy flowers",))
    shown = text_of(services, message_id, by="ana")
    assert shown is not None
    assert "With Mara." in shown
    assert services.erasure.export("u")["messages"][0]["made_by_omi"]["title"] == "Dinner"
    services.erasure.erase("u")
    assert not any("Mara" in str(redis.hgetall(key)) for key in redis.scan_iter("*message:*"))


@pytest.mark.parametrize("structured", [None, [], {"title": 5, "action_items": "x"}, {"title": " "}])
def test_what_omi_says_in_another_form_is_left_out(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock, structured: Any
) -> None:
    sandbox.enable("u")
    message_id = text(services, "Seen?")
    run_to_rest(services, clock)
    created(omi, services, "Me: Seen?", structured=structured, started_at=5)
    assert services.inbox.made(message_id, "u") is None
    assert "seen in Omi" in events(services, message_id)


@pytest.mark.parametrize("reads", [True, False], ids=["open", "parked"])
def test_what_omi_shows_has_arrived(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock, reads: bool
) -> None:
    """Whether it is still looked for, or was parked because the app may not read."""
    sandbox.enable("u")
    sandbox.fault("error_before", route="create_conversation", times=1)
    if not reads:
        sandbox.app(actions=["create_conversation"])
    message_id = text(services, "Hello there")
    clock.pass_time(seconds=30)
    services.drain.run("u")
    found = [*services.outbox.peek("u").open, *(row for row, _ in services.dead_letters.list())]
    assert state(services, message_id, "u") == ("sending" if reads else "parked")
    for _ in range(2):
        created(omi, services, "Me: Hello there", started_at=found[0].started_at.isoformat())
    assert services.due.at("u") is None or reads
    services.drain.run("u")
    assert state(services, message_id, "u") == "done"
    assert not services.dead_letters.list()
    assert not services.outbox.peek("u").open
    run_to_rest(services, clock)
    assert len(sandbox.calls("create_conversation", "u")) == 1


def test_another_conversation_with_the_same_words_settles_nothing(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("error_after", route="create_conversation", times=1)
    message_id = text(services, "Ok")
    clock.pass_time(seconds=30)
    services.drain.run("u")
    created(omi, services, "Me: Ok", started_at="2026-01-01T00:00:00+00:00")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"


def test_a_part_of_another_message_is_not_seen(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("u")
    short = text(services, "ok")
    run_to_rest(services, clock)
    created(omi, services, "Me: look at the book", structured={"title": "A book"})
    assert services.inbox.made(short, "u") is None
    created(omi, services, "Me: one\n\nMe: ok", structured={"title": "Ok"})
    assert services.inbox.made(short, "u") == Made("Ok")


def test_what_others_made_is_none_of_our_business(omi: Omi, services: Services, redis: Redis) -> None:
    before = sorted(redis.scan_iter("*"))
    assert created(omi, services, "private words", app_id="another-app").get_json()["ours"] is False
    assert sorted(redis.scan_iter("*")) == before, "nothing of it is kept"


def test_an_unsigned_webhook_changes_nothing_and_is_no_failure(
    omi: Omi, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """Three days of refusals would switch the app off for everybody."""
    sandbox.enable("u")
    message_id = text(services, "Seen?")
    run_to_rest(services, clock)
    for answer in (
        created(omi, services, "Me: Seen?", secret="whsec_other"),
        omi.client.post("/webhooks/omi?uid=u", data=b"{}"),
    ):
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ignored"})
    assert "seen in Omi" not in events(services, message_id)


def test_without_a_secret_no_tool_is_offered(build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMI_WEBHOOK_SECRETS")
    client = create_app(build()).test_client()
    assert client.get("/.well-known/omi-tools.json").get_json()["tools"] == []
