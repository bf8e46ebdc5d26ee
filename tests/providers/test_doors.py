"""Doors whose vendors keep files and texts, speak back, or publish how they sign: with their own code as oracle."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from svix.webhooks import Webhook
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

from integration_app.bootstrap import Services
from integration_app.errors import BadSignature, NotYet, VendorError
from integration_app.local.vendor_apis import server
from integration_app.model import Attachment, Content, MessageState
from integration_app.providers import registry
from integration_app.providers.base import Outcome, Told, WebhookRequest
from integration_app.providers.common.forms import form_lines
from integration_app.providers.common.phones import dialled, international
from integration_app.providers.common.proof import hex_mac
from integration_app.providers.telnyx.provider import SPEC as TELNYX
from integration_app.web.app import create_app
from tests.conftest import START, Cli, Clock
from tests.integration.helpers import run_to_rest, state
from tests.providers.test_vendors import Vendor
from tests.sandbox_control import SandboxControl

ACCOUNT = "telegram:15550001111"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor()
    yield made
    made.close()


@pytest.fixture
def apis() -> Iterator[str]:
    """The stand-ins, as the local stack runs them."""
    served = server()
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


def local(name: str, api: str = "") -> dict[str, str]:
    spec = registry.specs()[name]
    return spec.local_env() | ({spec.local_api_setting: f"{api}/{name}"} if api else {})


def sent(services: Services, name: str, env: dict[str, str], **more: Any) -> Any:
    """The first sample of a provider, signed, through the running app."""
    spec = registry.specs()[name]
    assert spec.sender is not None
    sender = spec.sender(env)
    sample = replace(next(iter(sender.samples().values())), **more)
    sample = replace(sample, sender=sample.sender.replace("{account}", spec.account).replace("{phone}", "+15550001111"))
    made = sender.build_request(sample, "https://inbox.example.com", services.clock())
    return create_app(services).test_client().post(made.path, headers=dict(made.headers), data=made.body)


# --- signatures, beside the vendors' own code -----------------------------------------------------------------

TELNYX_ENV = TELNYX.local_env()


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(-400, 400), st.booleans())
def test_telnyxs_own_sdk_agrees(words: str, off: int, is_changed: bool) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, body = Ed25519PrivateKey.from_private_bytes(base64.b64decode(TELNYX_ENV["TELNYX_SENDER_KEY"])), words.encode()
    stamp = str(int(START.timestamp()) + off)
    headers = {
        "telnyx-timestamp": stamp,
        "telnyx-signature-ed25519": base64.b64encode(key.sign(stamp.encode() + b"|" + body)).decode(),
    }
    said = body + b"!" if is_changed else body
    now = START.replace(microsecond=0)
    with time_machine.travel(now, tick=False):
        try:
            verify_webhook_signature(said, headers, TELNYX_ENV["TELNYX_PUBLIC_KEYS"])
            theirs = True
        except WebhookVerificationError:
            theirs = False
    try:
        _telnyx().verify(WebhookRequest("POST", "https://inbox.example.com/webhooks/telnyx", "", headers, said, now))
        ours = True
    except BadSignature:
        ours = False
    assert ours == theirs == (not is_changed and abs(off) <= 300)


@cache
def _telnyx() -> Any:
    from environs import Env

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELNYX_PUBLIC_KEYS", TELNYX_ENV["TELNYX_PUBLIC_KEYS"])
        return TELNYX.from_env(Env())


def test_what_svix_signs_is_genuine_for_resend(build: Callable[..., Services]) -> None:
    env = local("resend")
    services = build(**env)
    body = json.dumps({"type": "email.received", "data": {"email_id": "e-1", "to": ["nobody@in.example.com"]}})
    signature = Webhook(env["RESEND_WEBHOOK_SECRETS"]).sign("msg_1", START, body)
    headers = {"svix-id": "msg_1", "svix-timestamp": str(int(START.timestamp())), "svix-signature": signature}
    client = create_app(services).test_client()
    for given_body, outcome in ((body, "unknown recipient"), (body + " ", "bad signature")):
        answer = client.post(
            "/webhooks/resend", data=given_body, headers=headers | {"Content-Type": "application/json"}
        )
        assert answer.headers["X-Outcome"] == outcome


def test_published_vectors_of_whatsapps_signature() -> None:
    """https://hexdocs.pm/whatsapp_sdk/WhatsApp.Webhook.html, and one with the escapes that Meta puts on the wire."""
    assert hex_mac("secret", b"test") == "0329a06b62cd16b33eb6792be8c60b158d89a2ee3a876fce9a881ebb488c0914"
    body = (
        rb'{"object":"whatsapp_business_account","entry":[{"id":"W","changes":[{"field":"messages","value":{"messages":'
        rb'[{"from":"15551234567","id":"wamid.raw","type":"document","document":{"id":"M\/1","filename":"caf\u00e9.pdf"'
        rb"}}]}}]}]}"
    )
    assert hex_mac("app-secret", body) == "58c07a46601b01675f54c758c179efe17c976151aca91fed8e259b9c7e598681"


# --- Telegram ----------------------------------------------------------------------------------------------------


def test_a_chat_is_linked_by_its_code_and_unlinked_by_a_command(build: Callable[..., Services]) -> None:
    env = local("telegram")
    services = build(**env)
    services.installations.add("u", now=services.clock())
    stranger = sent(services, "telegram", env, text="Hello?")
    assert stranger.headers["X-Outcome"] == "unknown recipient"
    assert stranger.status_code == 200
    assert stranger.json["method"] == "sendMessage"
    assert "link code" in stranger.json["text"]
    code = services.auth.link_codes.new("u")
    provider = services.providers["telegram"]
    assert provider.link_url(code) == f"https://t.me/omi_inbox_local_bot?start={code}"
    # what Telegram makes of the link
    linked = sent(services, "telegram", env, text=f"/start {code}")
    assert linked.json == {"method": "sendMessage", "chat_id": 15550001111, "text": linked.json["text"]}
    assert "on whose page this code was made" in linked.json["text"]
    assert services.installations.with_phone(ACCOUNT) == ["u"]
    assert sent(services, "telegram", env, text="First words").headers["X-Outcome"] == "stored"
    assert "not linked any more" in sent(services, "telegram", env, text="/unlink").json["text"]
    assert services.installations.with_phone(ACCOUNT) == []


def test_a_code_that_is_typed_links_too_and_works_once(build: Callable[..., Services]) -> None:
    env = local("telegram")
    services = build(**env)
    services.installations.add("u", now=services.clock())
    code = services.auth.link_codes.new("u")
    sent(services, "telegram", env, text=code.lower())
    assert services.installations.with_phone(ACCOUNT) == ["u"]
    other = sent(services, "telegram", env, text=f"/start {code}", sender="telegram:777")
    assert other.headers["X-Outcome"] == "unknown recipient"


def test_a_receipt_is_a_reaction_for_those_who_want_it(build: Callable[..., Services]) -> None:
    env = local("telegram")
    services = build(**env)
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", ACCOUNT)
    assert "method" not in sent(services, "telegram", env, text="one").json
    installation = services.installations.get("u")
    assert installation is not None
    services.installations.prefer("u", replace(installation.preferences, receipts=True))
    answer = sent(services, "telegram", env, text="two", event_id="731024599").json
    assert answer == {
        "method": "setMessageReaction",
        "chat_id": 15550001111,
        "message_id": 24599,
        "reaction": [{"type": "emoji", "emoji": "👍"}],
    }
    again = sent(services, "telegram", env, text="two", event_id="731024599")
    assert again.headers["X-Outcome"] == "duplicate"
    assert "method" not in again.json


def test_an_edit_that_changes_no_word_says_nothing_new(build: Callable[..., Services]) -> None:
    env = local("telegram")
    services = build(**env)
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", ACCOUNT)
    author = {"id": 15550001111, "first_name": "Sam"}
    said = {"message_id": 5, "from": author, "chat": {"id": 15550001111, "type": "private"}, "date": 1, "text": "six"}
    headers = {"X-Telegram-Bot-Api-Secret-Token": env["TELEGRAM_WEBHOOK_SECRETS"]}
    client = create_app(services).test_client()

    def post(number: int, kind: str, **more: Any) -> str:
        update = {"update_id": number, kind: said | more}
        return str(client.post("/webhooks/telegram", json=update, headers=headers).headers["X-Outcome"])

    assert post(1, "message") == "stored"
    assert post(2, "edited_message", edit_date=2) == "duplicate"
    assert post(3, "edited_message", edit_date=3, text="seven") == "stored"
    assert post(1, "message") == "duplicate"
    assert post(4, "edited_message", edit_date=500, text="six") == "stored", "back to what it said at first"
    place = {"latitude": 1.0, "longitude": 2.0}
    assert post(5, "edited_message", edit_date=4, text="six", location=place) == "stored"


def test_a_group_is_left(build: Callable[..., Services]) -> None:
    env = local("telegram")
    services = build(**env)
    update = {
        "update_id": 1,
        "my_chat_member": {
            "chat": {"id": -100, "type": "supergroup"},
            "from": {"id": 1},
            "new_chat_member": {"status": "member"},
        },
    }
    headers = {"X-Telegram-Bot-Api-Secret-Token": env["TELEGRAM_WEBHOOK_SECRETS"]}
    client = create_app(services).test_client()
    assert client.post("/webhooks/telegram", json=update, headers=headers).json == {
        "method": "leaveChat",
        "chat_id": -100,
    }
    update["my_chat_member"]["new_chat_member"]["status"] = "left"  # type: ignore[index]
    assert client.post("/webhooks/telegram", json=update, headers=headers).json == {}


def test_set_webhook_tells_telegram_where(build: Callable[..., Services], cli: Cli, apis: str) -> None:
    build(**local("telegram", apis))
    done = cli("telegram", "set-webhook")
    assert "@omi_inbox_local_bot sends to https://inbox.example.com/webhooks/telegram" in done.stdout
    wrong = local("telegram", apis) | {"TELEGRAM_BOT_USERNAME": "another_bot"}
    build(**wrong)
    refused = cli("telegram", "set-webhook")
    assert refused.exit_code == 1
    assert "set TELEGRAM_BOT_USERNAME=omi_inbox_local_bot" in refused.output
    assert wrong["TELEGRAM_BOT_TOKEN"] not in refused.output


def test_the_console_of_telegram_is_looked_at(build: Callable[..., Services], vendor: Vendor) -> None:
    services = build(**local("telegram", vendor.url))
    provider = services.providers["telegram"]
    hook: dict[str, Any] = {"url": ""}
    vendor.answers = lambda path, headers: (200, {"ok": True, "result": hook})
    import requests

    # this API is asked by POST
    original = requests.request
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests, "request", lambda method, url, **how: original("GET", url, **_without_json(how)))
        assert [is_right for is_right, _ in provider.console("https://inbox.example.com", None)] == [True, False]
        hook["url"] = "https://inbox.example.com/webhooks/telegram"
        assert [is_right for is_right, _ in provider.console("https://inbox.example.com", None)] == [True, True]
        hook |= {"last_error_message": "Wrong response from the webhook: 502 Bad Gateway", "pending_update_count": 3}
        (_, (is_right, why)) = provider.console("https://inbox.example.com", None)
        assert not is_right
        assert "502 Bad Gateway; 3 wait" in why


def _without_json(how: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in how.items() if name != "json"}


# --- what vendors keep ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["telegram", "whatsapp-cloud"])
def test_a_file_is_fetched_by_its_id_and_read(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, apis: str, name: str
) -> None:
    env = local(name, apis)
    services = build(**env)
    sandbox.enable("u")
    services.installations.add("u", now=services.clock())
    for address in ("+15550001111", ACCOUNT):
        services.installations.link_phone("u", address)
    assert sent(services, name, env, text="Milk and bread", media=("text/plain",)).status_code == 200
    run_to_rest(services, clock)
    (said,) = sandbox.texts("u")
    assert "Milk and bread" in said


def _answering(body: Any) -> Any:
    return lambda path, headers: (200, body)


def test_a_vendor_without_the_file_leads_nowhere_else(build: Callable[..., Services], vendor: Vendor) -> None:
    telegram = build(**local("telegram", vendor.url)).providers["telegram"]
    for path in ("../../secret", "http://x/y", "a b", ""):
        vendor.answers = _answering({"ok": True, "result": {"file_path": path}})
        with pytest.raises(VendorError, match="where the file is"):
            telegram.fetch(Attachment("text/plain", url="telegram-file:abc"))
    whatsapp = build(**local("whatsapp-cloud", vendor.url)).providers["whatsapp-cloud"]
    for url in ("http://169.254.169.254/latest", "https://example.com/x", "https://fbsbx.com.example.com/x", ""):
        vendor.answers = _answering({"url": url})
        with pytest.raises(VendorError, match="not the vendor's"):
            whatsapp.fetch(Attachment("text/plain", url="whatsapp-media:1"))


def test_a_mail_is_fetched_by_a_worker(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, apis: str
) -> None:
    env = local("resend", apis)
    services = build(**env)
    sandbox.enable("u")
    inbox = services.settings.inbox_address(services.installations.add("u", now=services.clock()).inbox_token)
    sent(services, "resend", env, to=inbox, text="The tomatoes can go out.", subject="The garden")
    run_to_rest(services, clock)
    (said,) = sandbox.texts("u")
    assert "Subject: The garden" in said
    assert "The tomatoes can go out." in said


def test_a_mail_that_is_not_handed_over_waits_then_is_parked_and_comes_back(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, vendor: Vendor, cli: Cli
) -> None:
    env = local("resend", vendor.url)
    services = build(**env)
    sandbox.enable("u")
    inbox = services.settings.inbox_address(services.installations.add("u", now=services.clock()).inbox_token)
    vendor.answers = lambda path, headers: (500, {})
    sent(services, "resend", env, to=inbox)
    (row,) = services.timeline.latest(limit=1)
    run_to_rest(services, clock, within=timedelta(minutes=9))
    assert state(services, row["id"], "u") == MessageState.WAITING
    run_to_rest(services, clock, within=timedelta(minutes=5))
    assert state(services, row["id"], "u") == MessageState.PARKED
    assert "does not hand its text over" in cli("dead-letters").stdout
    vendor.answers = lambda path, headers: (200, {"text": "Here it is", "subject": "Late", "headers": {"X": "y"}})
    assert cli("replay", "--yes").exit_code == 0
    services.replays.step(clock())
    run_to_rest(services, clock)
    (said,) = sandbox.texts("u")
    assert "Here it is" in said


def test_no_key_is_shown_where_a_vendor_refuses_it(build: Callable[..., Services], vendor: Vendor) -> None:
    env = local("resend", vendor.url)
    vendor.answers = lambda path, headers: (401, {"message": "API key is invalid"})
    with pytest.raises(NotYet) as refused:
        build(**env).providers["resend"].read(Content(kept_as="e-1"))
    assert env["RESEND_API_KEY"] not in str(refused.value)
    (path, headers) = vendor.asked[0]
    assert headers["Authorization"] == f"Bearer {env['RESEND_API_KEY']}"
    assert "User-Agent" in headers  # the API refuses a caller without one
    assert path == "/resend/emails/receiving/e-1?html_format=cid"


def test_media_of_a_conversation_are_asked_for_twice(build: Callable[..., Services], vendor: Vendor) -> None:
    services = build(TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKENS="a-token-long-enough", TWILIO_API_BASE_URL=vendor.url)
    vendor.answers = lambda path, headers: (
        (200, {"links": {"content_direct_temporary": f"{vendor.url}/temporary"}})
        if path == "/v1/Services/IS1/Media/ME1"
        else (200, b"picture")
    )
    found = services.providers["twilio"].fetch(
        Attachment("image/jpeg", url="conversation-media:v1/Services/IS1/Media/ME1")
    )
    assert found == b"picture"
    assert ["Authorization" in headers for _, headers in vendor.asked] == [True, False]


# --- several at a time ---------------------------------------------------------------------------------------


def batch(env: dict[str, str], *messages: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    value = {"metadata": {"phone_number_id": "1"}, "messages": list(messages)}
    body = json.dumps({"object": "whatsapp_business_account", "entry": [{"changes": [{"value": value}]}]}).encode()
    mac = hex_mac(env["WHATSAPP_APP_SECRETS"], body)
    return body, {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={mac}"}


def test_a_batch_is_taken_whole_and_a_repeat_doubles_nothing(build: Callable[..., Services]) -> None:
    env = local("whatsapp-cloud")
    services = build(**env, SENDER_MESSAGES_PER_MINUTE="0")
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", "+15550001111")
    rows = [{"from": "15550001111", "id": f"w{n}", "type": "text", "text": {"body": f"n{n}"}} for n in range(300)]
    rows[7]["from"] = "15559999999"  # nobody's
    rows[8]["text"] = {"body": ""}  # nothing said
    body, headers = batch(env, *rows)
    client = create_app(services).test_client()
    outcomes = [client.post("/webhooks/whatsapp-cloud", data=body, headers=headers) for _ in range(2)]
    assert [(answer.status_code, answer.headers["X-Outcome"]) for answer in outcomes] == [
        (200, "stored"),
        (200, "duplicate"),
    ]
    assert services.inbox.count() == 298
    noted = {row.why for row in services.refusals.latest("whatsapp-cloud", now=services.clock())}
    assert any("one of several" in why for why in noted)


def test_what_is_over_a_limit_in_a_batch_is_sent_again(build: Callable[..., Services], clock: Clock) -> None:
    env = local("whatsapp-cloud")
    services = build(**env, SENDER_MESSAGES_PER_MINUTE="10")
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", "+15550001111")
    rows = [{"from": "15550001111", "id": f"w{n}", "type": "text", "text": {"body": f"n{n}"}} for n in range(25)]
    body, headers = batch(env, *rows)
    client = create_app(services).test_client()
    statuses = []
    for _ in range(4):
        statuses.append(client.post("/webhooks/whatsapp-cloud", data=body, headers=headers).status_code)
        clock.now += timedelta(minutes=1)
    assert statuses == [503, 503, 200, 200]
    assert services.inbox.count() == 25


def test_equal_texts_of_a_phone_at_two_times_are_two(build: Callable[..., Services]) -> None:
    env = local("sms-gateway")
    services = build(**env)
    services.installations.add("u", now=services.clock())
    services.installations.link_phone("u", "+15550001111")

    def post(identifier: str, at: str) -> str:
        said = {"messageId": "same", "message": "ok", "sender": "+15550001111", "receivedAt": at}
        body = json.dumps({"deviceId": "d", "event": "sms:received", "id": identifier, "payload": said}).encode()
        stamp = str(int(services.clock().timestamp()))
        mac = hex_mac(env["SMS_GATEWAY_SIGNING_KEYS"], body + stamp.encode())
        headers = {"Content-Type": "application/json", "X-Timestamp": stamp, "X-Signature": mac}
        answer = create_app(services).test_client().post("/webhooks/sms-gateway", data=body, headers=headers)
        return str(answer.headers["X-Outcome"])

    assert post("first", "2026-11-20T08:00:00.000+00:00") == "stored"
    assert post("of-another-webhook", "2026-11-20T08:00:00.000+00:00") == "duplicate"
    assert post("later", "2026-11-20T08:00:05.000+00:00") == "stored"


# --- small things that they share ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "region", "found"),
    [
        ("+15550001111", None, "+15550001111"),
        ("+1 (555) 000-1111", None, "+15550001111"),
        ("0015550001111", None, "+15550001111"),
        ("5550001111", "US", "+15550001111"),
        ("0151 23456789", "DE", "+4915123456789"),
        ("5550001111", None, "5550001111"),
        ("72975", "US", "72975"),
        ("MyBank", "US", "MyBank"),
        ("+0", "US", "+0"),
        ("", "US", ""),
    ],
)
def test_a_number_as_a_phone_shows_it(written: str, region: str | None, found: str) -> None:
    assert dialled(written, region) == found


def test_a_number_as_networks_write_it() -> None:
    assert international("15550001111") == international("+15550001111") == "+15550001111"
    assert international("MyBank") == "MyBank"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5))
def test_a_form_is_read_whatever_it_is(value: Any) -> None:
    assert isinstance(form_lines(value if isinstance(value, str) else json.dumps(value)), str)
    assert isinstance(form_lines(json.dumps({"response_json": json.dumps(value)})), str)


def test_senders_are_told_nothing_by_doors_that_cannot(build: Callable[..., Services]) -> None:
    services = build(**local("telnyx"))
    request = WebhookRequest("POST", "https://inbox.example.com/webhooks/telnyx", "", {}, b"{}", START)
    assert services.providers["telnyx"].tell_sender(request, Told(Outcome.STORED)) is None


@pytest.mark.parametrize("name", [name for name, spec in registry.specs().items() if spec.stand_in])
def test_a_stand_in_answers_whatever_it_is_asked(apis: str, name: str) -> None:
    import requests

    chance = random.Random(7)  # noqa: S311 - the same every time
    for _ in range(40):
        path = "".join(chance.choices("abc/-_.09%", k=chance.randrange(1, 30))).replace("%", "")
        answer = requests.get(f"{apis}/{name}/{path}", headers={"Authorization": "Bearer re_x"}, timeout=5)
        assert answer.status_code < 500
