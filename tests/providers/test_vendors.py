"""What the samples cannot show: vendors' own servers played on this machine, vectors, the vendor's SDK as oracle."""

from __future__ import annotations

import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from sendgrid.helpers.eventwebhook import EventWebhook

from integration_app.bootstrap import Services
from integration_app.errors import BadSignature, VendorError
from integration_app.providers.amazon_ses.local import TOPIC, local_env
from integration_app.providers.amazon_ses.signature import Certificates, check, sign, signed_string
from integration_app.providers.common import basic_auth
from integration_app.providers.sendgrid.provider import SPEC as SENDGRID
from integration_app.providers.sendgrid.signature import is_genuine, read_key
from integration_app.providers.sendgrid.signature import sign as sendgrid_sign
from integration_app.web.app import create_app
from tests.conftest import START, Cli, Clock
from tests.integration.helpers import PHONE, link, run_to_rest
from tests.sandbox_control import SandboxControl

Answers = Callable[[str, dict[str, str]], tuple[int, Any]]


class Vendor:
    """A vendor's HTTP API on loopback; `answers` decides, `asked` remembers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: Answers = lambda path, headers: (200, {})
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                vendor.asked.append((self.path, dict(self.headers)))
                status, body = vendor.answers(self.path, dict(self.headers))
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor()
    yield made
    made.close()


# --- Twilio: backfill -------------------------------------------------------------------------------------------


def row(number: int, **more: object) -> dict[str, object]:
    sent = START - timedelta(minutes=10 * number)
    return {
        "sid": f"SM{number:032d}",
        "direction": "inbound",
        "from": PHONE,
        "to": "+15550009999",
        "body": f"text {number}",
        "num_media": "0",
        "date_sent": sent.strftime("%a, %d %b %Y %H:%M:%S +0000"),
    } | more


def test_backfill_takes_in_what_no_webhook_brought(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, vendor: Vendor, cli: Cli
) -> None:
    services = build(
        TWILIO_API_BASE_URL=vendor.url,
        TWILIO_AUTH_TOKENS="old-token-of-before,new-token-of-today",
        TWILIO_ACCOUNT_SID="AC1",
    )
    sandbox.enable("u")
    link(services, "u")
    rows = [
        row(1),
        row(2, num_media="1"),
        row(3, direction="outbound-api"),
        row(4, **{"from": "+15557777777"}),
        row(5, body="STOP"),
        row(6, **{"from": f"whatsapp:{PHONE}"}),
        row(7),
    ]

    def answers(path: str, headers: dict[str, str]) -> tuple[int, Any]:
        if headers["Authorization"] == basic_auth.header("AC1:old-token"):
            return 401, {}
        if "Media.json" in path:
            return 200, {"media_list": [{"content_type": "image/jpeg"}]}
        if "Page=1" in path:
            return 200, {"messages": rows[4:], "next_page_uri": None}
        return 200, {"messages": rows[:4], "next_page_uri": "/2010-04-01/Accounts/AC1/Messages.json?Page=1"}

    vendor.answers = answers
    words = ["twilio", "backfill", "--since", "2h", "--json"]
    dry = cli(*words, "--dry-run")
    assert json.loads(dry.stdout)["listed"] == 6, dry.output
    assert services.inbox.count() == 0
    found = json.loads(cli(*words).stdout)
    assert {name: found[name] for name in ("listed", "taken in", "already here", "for nobody")} == {
        "listed": 6,
        "taken in": 5,
        "already here": 0,
        "for nobody": 1,
    }
    again = json.loads(cli(*words).stdout)
    assert (again["taken in"], again["already here"]) == (0, 5)
    run_to_rest(services, clock)
    said = "\n".join(sandbox.texts("u"))
    assert all(f"text {number}" in said for number in (1, 2, 6, 7))
    assert "STOP" not in said
    assert "[Attachment: image/jpeg]" in said
    query = parse_qs(urlsplit(vendor.asked[0][0]).query)
    assert query["DateSent>"] == [f"{START - timedelta(hours=2):%Y-%m-%d}"]


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [((500, {}), 1, "answers 500"), ((401, {}), 1, "answers 401"), ((200, b"<html>"), 1, "not JSON")],
)
def test_backfill_says_what_is_wrong(
    build: Callable[..., Services], vendor: Vendor, answer: tuple[int, Any], code: int, sentence: str, cli: Cli
) -> None:
    build(TWILIO_API_BASE_URL=vendor.url)
    vendor.answers = lambda path, headers: answer
    result = cli("twilio", "backfill", "--since", "1d")
    assert (result.exit_code, sentence in result.stderr) == (code, True), result.output


@pytest.mark.parametrize("since", ["yesterday", "60d"])
def test_backfill_wants_a_time_that_it_can_keep_apart(services: Services, since: str, cli: Cli) -> None:
    assert cli("twilio", "backfill", "--since", since).exit_code == 2


def test_only_providers_with_a_list_have_the_command(cli: Cli) -> None:
    assert cli("postmark", "backfill").exit_code == 2
    assert "twilio" in cli("--help").stdout


# --- Amazon SNS -------------------------------------------------------------------------------------------------

SNS = local_env()
URL = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{'a' * 32}.pem"


def sns_event(**more: str) -> dict[str, str]:
    event = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "1",
        "TopicArn": TOPIC,
        "Token": "token-of-the-topic",
        "Message": "You have chosen to subscribe",
        "SubscribeURL": "https://evil.example/steal",
        "Timestamp": "2026-11-20T08:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": URL,
    } | more
    return event | {"Signature": sign(SNS["SES_SNS_SENDER_KEY"], event)}


def test_a_subscription_is_confirmed_by_name_and_never_by_its_url(
    build: Callable[..., Services], vendor: Vendor, redis: Redis
) -> None:
    services = build(**SNS, SES_SNS_ENDPOINT=f"{vendor.url}/")
    client = create_app(services).test_client()
    assert client.post("/webhooks/amazon-ses", data=json.dumps(sns_event())).status_code == 200
    ((path, _),) = vendor.asked
    assert parse_qs(urlsplit(path).query) == {
        "Action": ["ConfirmSubscription"],
        "TopicArn": [TOPIC],
        "Token": ["token-of-the-topic"],
        "Version": ["2010-03-31"],
    }
    other = sns_event(TopicArn="arn:aws:sns:eu-west-1:000000000000:other")
    assert client.post("/webhooks/amazon-ses", data=json.dumps(other)).status_code == 503
    vendor.answers = lambda path, headers: (403, {})
    assert client.post("/webhooks/amazon-ses", data=json.dumps(sns_event())).status_code == 503
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("token", ["", "two words", "half of a pair \ud800", "x" * 5000])
def test_a_confirmation_without_a_token_asks_nobody(
    build: Callable[..., Services], vendor: Vendor, redis: Redis, token: str
) -> None:
    client = create_app(build(**SNS, SES_SNS_ENDPOINT=f"{vendor.url}/")).test_client()
    answer = client.post("/webhooks/amazon-ses", data=json.dumps(sns_event(Token=token)))
    assert answer.headers["X-Outcome"] in ("malformed", "bad signature", "too large")
    assert vendor.asked == []


def test_a_certificate_is_fetched_once_and_only_from_amazon() -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return SNS["SES_SNS_CERTIFICATE"].encode()

    certificates = Certificates(fetch=fetch)
    for _ in range(3):
        check(sns_event(), certificates.key(URL, "eu-west-1"))
    assert fetched == [URL]
    for url in (URL.replace("https", "http"), URL.replace(".com/", ".com.evil.example/"), URL + "?x", "file:///etc/x"):
        with pytest.raises(BadSignature):
            certificates.key(url, "eu-west-1")
    with pytest.raises(BadSignature):
        certificates.key(URL, "us-east-1")
    assert len(fetched) == 1


def test_the_signed_string_is_the_documented_one() -> None:
    """Written down as the vendor's page has it, not made by our code."""
    event = {
        "Type": "Notification", "MessageId": "id-1", "TopicArn": "arn:t", "Subject": "s", "Message": "line 1\nline 2",
        "Timestamp": "2026", "SignatureVersion": "1", "Signature": "x", "UnsubscribeURL": "https://u", "SigningCertURL": URL,
    }  # fmt: skip
    assert signed_string(event).decode() == (
        "Message\nline 1\nline 2\nMessageId\nid-1\nSubject\ns\nTimestamp\n2026\nTopicArn\narn:t\nType\nNotification\n"
    )
    confirmation = {key: value for key, value in event.items() if key != "Subject"} | {
        "Type": "SubscriptionConfirmation",
        "Token": "tok",
        "SubscribeURL": "https://s",
    }
    assert signed_string(confirmation).decode() == (
        "Message\nline 1\nline 2\nMessageId\nid-1\nSubscribeURL\nhttps://s\nTimestamp\n2026\nToken\ntok\n"
        "TopicArn\narn:t\nType\nSubscriptionConfirmation\n"
    )


def test_a_certificate_that_is_none_lets_amazon_try_again() -> None:
    with pytest.raises(VendorError):
        Certificates(fetch=lambda url: b"<html>").key(URL, "eu-west-1")


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_the_signature_and_every_field_count(version: str) -> None:
    certificates = Certificates(SNS["SES_SNS_CERTIFICATE"])
    event = sns_event(SignatureVersion=version)
    check(event, certificates.key(URL, "eu-west-1"))
    for name in ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn"):
        with pytest.raises(BadSignature):
            check(event | {name: event[name] + "x"}, certificates.key(URL, "eu-west-1"))


SENDGRID_ENV = SENDGRID.local_env()


# --- SendGrid ---------------------------------------------------------------------------------------------------


def test_basic_credentials_are_the_old_way_and_both_are_asked_for_when_both_are_set(
    build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="headers"\r\n\r\nFrom: a@example.com\r\n'
        b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nHi\r\n'
        b'--b\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n{"to":["abcdefghij234567@in.example.com"]}\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    good, bad = basic_auth.header("sendgrid:correct-horse"), basic_auth.header("sendgrid:battery-staple")
    monkeypatch.setenv("SENDGRID_WEBHOOK_USERS", "x:other-password,sendgrid:correct-horse")
    both = create_app(build()).test_client()
    assert both.post("/webhooks/sendgrid", data=body, headers=headers | {"Authorization": good}).status_code == 503
    monkeypatch.delenv("SENDGRID_PUBLIC_KEYS")
    basic = create_app(build()).test_client()
    statuses = [
        basic.post("/webhooks/sendgrid", data=body, headers=headers | ({"Authorization": given} if given else {}))
        for given in (good, bad, None)
    ]
    assert [answer.status_code for answer in statuses] == [200, 503, 503]


def test_keys_with_and_without_armour_and_what_is_no_key() -> None:
    env = SENDGRID.local_env()
    public = env["SENDGRID_PUBLIC_KEYS"]
    armoured = f"-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----"
    for key in (public, armoured, armoured.replace("\n", "\\n")):
        assert read_key(key)
    for odd in ("", "abc", "AAAA", SNS["SES_SNS_CERTIFICATE"]):
        with pytest.raises(ValueError, match="key"):
            read_key(odd)


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300), st.integers(0, 10**11))
def test_the_vendors_own_sdk_agrees(body: str, stamp: int) -> None:
    env = SENDGRID_ENV
    signature = sendgrid_sign(env["SENDGRID_SENDER_KEY"], str(stamp), body.encode())
    oracle = EventWebhook(env["SENDGRID_PUBLIC_KEYS"])
    for said in (body, body + "x"):
        ours = is_genuine(signature, str(stamp), said.encode(), [read_key(env["SENDGRID_PUBLIC_KEYS"])])
        assert ours == oracle.verify_signature(said, signature, str(stamp)) == (said == body)


def test_the_signature_covers_binary_bodies_byte_by_byte() -> None:
    env, chance = SENDGRID.local_env(), random.Random(4)  # noqa: S311 - the same every time
    keys = [read_key(env["SENDGRID_PUBLIC_KEYS"])]
    for _ in range(300):
        body = chance.randbytes(chance.randrange(400))
        stamp = "".join(chance.choices(string.digits, k=10))
        signature = sendgrid_sign(env["SENDGRID_SENDER_KEY"], stamp, body)
        assert is_genuine(signature, stamp, body, keys)
        assert not is_genuine(signature, stamp, body + b"\0", keys)
