"""At the doors and pages: captured requests, headers of a proxy, forged cookies, odd callers of the sandbox."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer

from integration_app.bootstrap import Services
from integration_app.errors import BadSignature, VendorError
from integration_app.mail.html import html_to_text
from integration_app.providers import registry
from integration_app.providers.amazon_ses.signature import Certificates
from integration_app.providers.base import SampleMessage, check_signed_time
from integration_app.providers.raw_mail.signature import sign
from integration_app.sandbox.app import create_app as create_sandbox
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import link
from tests.unit.factories import NOW

MAIL = b"From: ana@example.com\r\nSubject: x\r\nMessage-ID: <1@example.com>\r\n\r\nhello\r\n"


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


def test_a_captured_raw_mail_reaches_no_other_user(
    services: Services, app: Flask, settings: dict[str, str], clock: Clock
) -> None:
    link(services, "u", "v")
    token, stamp = settings["RAW_MAIL_TOKENS"].split(",")[0], int(clock().timestamp())
    addresses = {uid: f"{services.installations.tokens(uid)[0]}@in.example.com" for uid in ("u", "v")}

    def sent(uid: str) -> str:
        headers = {
            "Content-Type": "message/rfc822", "X-Envelope-To": addresses[uid], "webhook-id": "m1",
            "webhook-timestamp": str(stamp), "webhook-signature": sign(token, "m1", stamp, MAIL),
        }  # fmt: skip
        return app.test_client().post("/webhooks/raw-mail", data=MAIL, headers=headers).headers["X-Outcome"]

    assert [sent("u"), sent("u"), sent("v")] == ["stored", "duplicate", "duplicate"]
    assert not list(services.inbox.of("v"))


@pytest.mark.parametrize(
    ("age", "taken"),
    [(timedelta(0), True), (timedelta(days=28), True), (timedelta(days=29.1), False), (timedelta(days=-2), False)],
)
def test_signed_times_are_looked_at(age: timedelta, taken: bool) -> None:
    """Ids are known for thirty days: what was signed earlier may have been here."""
    if taken:
        check_signed_time(NOW - age, NOW)
        return
    with pytest.raises(BadSignature):
        check_signed_time(NOW - age, NOW)


@pytest.mark.parametrize("name", ["sendgrid", "amazon-ses"])
def test_a_request_that_was_signed_long_ago_is_refused(
    services: Services, app: Flask, settings: dict[str, str], clock: Clock, name: str
) -> None:
    link(services, "u")
    sender = registry.specs()[name].sender
    assert sender is not None
    to = f"{services.installations.tokens('u')[0]}@in.example.com"
    message = SampleMessage(sender="ana@example.com", to=to, text="hello", subject="x", channel="email")
    made = sender(settings).build_request(message, settings["PUBLIC_BASE_URL"], clock() - timedelta(days=31))
    answer = app.test_client().post(made.path, data=made.body, headers=dict(made.headers))
    assert answer.headers["X-Outcome"] == "bad signature"


def test_a_certificate_that_cannot_be_had_is_not_asked_for_again_at_once() -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        raise VendorError("away")

    certificates = Certificates(fetch=fetch)
    url = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
    for _ in range(50):
        with pytest.raises(VendorError):
            certificates.key(url, "eu-west-1")
    assert len(asked) == 1


def test_unknown_names_are_not_repeated(
    app: Flask, settings: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    headers = {"Authorization": f"Bearer {settings['HELLO_TOKENS'].split(',')[0]}"}
    body = {"id": "1", "inbox": "x@in.example.com", "my secret words": 1}
    answer = app.test_client().post("/webhooks/hello", json=body, headers=headers)
    assert "secret words" not in answer.text + "".join(capsys.readouterr())


@pytest.mark.parametrize("value", [["x"], {"a": 1}, 5, None, True, ""])
@pytest.mark.parametrize("name", ["uid", "key"])
def test_a_forged_cookie_of_any_shape_signs_nobody_in(app: Flask, name: str, value: object) -> None:
    """Even with the real SECRET_KEY."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    assert isinstance(serializer, URLSafeTimedSerializer)
    client = app.test_client()
    client.set_cookie("__Host-omi_inbox", str(serializer.dumps({"uid": "u", "key": "k"} | {name: value})))
    assert client.get("/me").status_code == 303


def test_readyz_tells_strangers_only_whether_it_is_ready(
    app: Flask, services: Services, settings: dict[str, str]
) -> None:
    def seen(peer: str, **headers: str) -> set[str]:
        answer = app.test_client().get("/readyz", headers=headers, environ_base={"REMOTE_ADDR": peer})
        return set(answer.get_json())

    token = settings.get("OPERATOR_API_TOKEN", "")
    assert seen("8.8.8.8") == {"status"}
    assert seen("127.0.0.1", **{"X-Forwarded-For": "8.8.8.8"}) == {"status"}
    assert "problems" in seen("127.0.0.1")
    assert "problems" in seen("10.0.0.7")
    if token:
        assert "problems" in seen("8.8.8.8", Authorization=f"Bearer {token}")


def test_the_operators_api_is_not_kept_by_browsers(app: Flask, settings: dict[str, str]) -> None:
    answer = app.test_client().get("/operator/api/messages")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "127.0.0.1:8100"}, 200),
        ({"Host": "rebound.evil.example"}, 403),
        ({"Host": "localhost", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
    ],
)
def test_the_sandbox_takes_no_orders_from_pages_elsewhere(headers: dict[str, str], status: int) -> None:
    client = create_sandbox("app", "sk_x").test_client()
    assert client.post("/_sandbox/users/u/enable", headers=headers).status_code == status


def test_html_of_any_depth_is_read_in_linear_time() -> None:
    """200,000 nested elements took over forty seconds, and every lease began anew."""

    def seconds(depth: int) -> float:
        html = "<div>" * depth + "words" + "</div>" * depth
        begun = time.thread_time()
        html_to_text(html)
        return time.thread_time() - begun

    small, large = max(seconds(20_000), 0.005), seconds(200_000)
    assert large < small * 60, "ten times as deep takes about ten times as long, not a hundred"
