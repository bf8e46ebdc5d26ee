"""What the pages send and say: headers, words of others as text, odd forms, changes said once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from integration_app.bootstrap import Services
from integration_app.model import Content, InboundMessage, Preferences, Route
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, text
from tests.integration.web_client import Browser
from tests.people.helpers import PHONE, code_for, is_signed_in, sign_in
from tests.sandbox_control import SandboxControl


@pytest.mark.parametrize(
    "path", ["/", "/setup?uid=u", "/privacy", "/support", "/me", "/nothing-here", "/operator/login"]
)
def test_security_headers(app: Flask, sandbox: SandboxControl, path: str) -> None:
    browser = sign_in(app, sandbox, "u")
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Strict-Transport-Security"]
    if path not in ("/privacy", "/support"):
        assert headers["Cache-Control"] == "no-store"


def test_no_page_has_script_or_style_of_its_own(app: Flask, sandbox: SandboxControl) -> None:
    page = sign_in(app, sandbox, "u").page
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|<style|\son\w+=|javascript:", page)


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_what_others_wrote_is_shown_as_text(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    link(services, "u")
    installation = services.installations.get("u")
    assert installation is not None
    arrived = InboundMessage(
        provider="any", event_id=EVIL, dedupe_keys=("evil",), channel="email", route=Route.RECIPIENT,
        sender=f"{EVIL}@example.com", received_at=clock(), recipients=(f"{installation.inbox_token}@in.example.com",),
        content=Content(text=EVIL, subject=EVIL),
    )  # fmt: skip
    services.intake.accept(arrived)
    assert "alert(1)" in browser.get("/me").text, "the sender is shown"
    assert "<script>alert" not in browser.page
    assert "<img src=x" not in browser.page
    browser.post("/me/preferences", senders=EVIL, time_zone=EVIL, language=EVIL, import_as=EVIL)
    assert "<script>alert" not in browser.page


@pytest.mark.parametrize(
    "uid", ["https://evil.example", "//evil.example", "a\r\nX-Evil: 1", "<script>", "u" * 500, "\x00"]
)
def test_a_strange_uid_leads_nowhere_else(app: Flask, uid: str) -> None:
    browser = Browser(app)
    for path in ("/setup", "/", "/setup/completed"):
        answer = browser.get(path, query_string={"uid": uid})
        assert answer.headers.get("Location", "/") == "/"
        assert "X-Evil" not in answer.headers
        assert "<script>" not in answer.text
        assert "evil.example" not in answer.text


def test_odd_forms_are_answered_and_break_nothing(app: Flask, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    cases: tuple[dict[str, Any], ...] = (
        {"senders": "\x00\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "time_zone": "\x00"},
        {"senders": "a@b.c," * 5000, "time_zone": "../../etc/passwd"},
        {"language": "xx", "import_as": "everything", "time_zone": "a/" * 500},
    )
    for fields in cases:
        browser.get("/me")
        assert browser.post("/me/preferences", **fields).status_code == 200
    assert browser.post("/me/does-not-exist").status_code == 200
    assert is_signed_in(browser)


SENDERS = [
    ("ana@example.com", ("ana@example.com",)),
    ("Ana <ana@example.com>, @example.org\n bob@example.net;", ("ana@example.com", "@example.org", "bob@example.net")),
    ('"Ana, B." <ana@example.com>', None),
    ("", ()),
    ("example.com", None),
    ("ana@example", None),
    ("ana @example.com x", None),
    ("ana@@example.com", None),
    (f"{'a' * 70}@example.com", None),
]


@pytest.mark.parametrize(("typed", "kept"), SENDERS)
def test_a_list_of_senders_is_taken_as_it_is_meant_or_not_at_all(
    app: Flask, services: Services, sandbox: SandboxControl, typed: str, kept: tuple[str, ...] | None
) -> None:
    browser = sign_in(app, sandbox, "u")
    before = ("before@example.com",)
    services.installations.prefer("u", Preferences(senders=before))
    browser.post("/me/preferences", senders=typed)
    found = services.installations.get("u")
    assert found is not None
    assert found.preferences.senders == (before if kept is None else kept)
    assert ("was not changed" in browser.page) is (kept is None)


def test_a_form_that_is_too_large_is_refused_unread(app: Flask) -> None:
    upload = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"x" * 2_000_000
    answer = app.test_client().post("/setup/code", data=upload, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 413


def test_half_a_character_breaks_no_page(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    link(services, "u")
    message_id = text(services, "hi \ud800", sender=PHONE, sender_name="\udfff")
    assert browser.get("/me").status_code == 200
    assert browser.get("/me/export").status_code == 200
    from tests.integration.test_operator import signed_in

    operator = signed_in(app)
    operator.get(f"/operator/messages/{message_id}")
    assert operator.post(f"/operator/messages/{message_id}").status_code == 200


def test_where_no_mail_is_taken_in_the_page_speaks_of_phones_alone(
    build: Callable[..., Services], sandbox: SandboxControl
) -> None:
    services = build(INBOX_DOMAIN="")
    sandbox.enable("u")
    services.installations.add("u", now=services.clock())
    services.installations.prefer("u", Preferences(senders=("ana@example.com",), automatic=True))
    browser = Browser(create_app(services), "192.0.2.1")
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    browser.post("/setup/verify", uid="u", code=code_for(sandbox, "u"))
    browser.get("/me")
    assert "Link a phone and text" in browser.page
    assert not re.search(r"private address|Who may write|Mailing lists|None", browser.page)
    browser.post("/me/preferences", time_zone="UTC")
    kept = services.installations.get("u")
    assert kept is not None
    assert (kept.preferences.senders, kept.preferences.automatic) == (("ana@example.com",), True), "not shown, not lost"


def test_a_message_is_told_apart_by_its_subject_or_first_words(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    services.installations.link_phone("u", PHONE)
    text(services, "Dinner with Mara on Friday at seven, and bring the blue book that she lent you in May")
    token = services.installations.tokens("u")[0]
    text(
        services, "See you there.", channel="email", route=Route.RECIPIENT, sender="ana@example.com",
        recipients=(f"{token}@in.example.com",), content=Content(text="See you there.", subject="The <b>plan</b>"),
    )  # fmt: skip
    browser.get("/me")
    assert "Dinner with Mara on Friday at seven, and bring the blue book that she…" in browser.page
    run_to_rest(services, clock)
    browser.get("/me")
    assert "<b>The &lt;b&gt;plan&lt;/b&gt;</b>" in browser.page, "after it was prepared too, and escaped"


def test_more_than_a_dozen_are_shown_when_asked_for(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    services.installations.link_phone("u", PHONE)
    for number in range(15):
        text(services, f"text number {number:02}")
    assert browser.get("/me").text.count("text number") == 12
    assert "/me?more=yes" in browser.page
    assert browser.get("/me?more=yes").text.count("text number") == 15
    assert "/me?more=yes" not in browser.page


@pytest.mark.parametrize(
    ("sent", "kept"), [("Asia/Tokyo", "Asia/Tokyo"), ("Nowhere/Town", "UTC"), ("../../etc/passwd", "UTC"), ("", "UTC")]
)
def test_the_zone_is_the_browsers_until_it_is_chosen(
    app: Flask, services: Services, sandbox: SandboxControl, sent: str, kept: str
) -> None:
    sandbox.enable("u")
    browser = Browser(app, "192.0.2.1")
    for zone, wanted in ((sent, kept), ("America/Bogota", kept)):  # the second time it has been chosen
        browser.get("/setup?uid=u")
        browser.post("/setup/code", uid="u")
        browser.post("/setup/verify", uid="u", code=code_for(sandbox, "u"), zone=zone)
        found = services.installations.get("u")
        assert found is not None
        assert found.preferences.time_zone == wanted
        browser.get("/me")
        browser.post("/me/sign-out")


def test_each_change_says_that_it_was_made_once(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    browser.post("/me/preferences", time_zone="Europe/Lisbon", senders="")
    assert 'role="status">Saved.' in browser.page
    assert 'role="status"' not in browser.get("/me").text
    browser.post("/me/preferences", time_zone="Europe/Lisbon", senders="not an address")
    assert 'role="status"' not in browser.page, "it was not"


def test_the_pages_say_who_runs_it_and_where_to_write(build: Callable[..., Services]) -> None:
    browser = Browser(create_app(build(OPERATOR_NAME="Ana's & Bob's", SUPPORT_EMAIL="help@example.com")), "192.0.2.1")
    assert "Ana&#39;s &amp; Bob&#39;s runs this service." in browser.get("/privacy").text
    assert 'href="mailto:help@example.com"' in browser.get("/support").text
    assert "Back to the inbox" in browser.page


def shown(sandbox: SandboxControl, uid: str) -> list[str]:
    return [row["message"] for row in sandbox._get("/notifications", uid=uid)["notifications"]]


@pytest.mark.parametrize(("wants", "arrived", "failed"), [("nothing", 0, 0), ("problems", 0, 1), ("arrivals", 1, 1)])
def test_what_has_arrived_or_not_is_shown_in_omi_as_the_user_wants_it(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock, wants: str, arrived: int, failed: int
) -> None:
    browser = sign_in(app, sandbox, "u")
    browser.get("/me")
    browser.post("/me/preferences", time_zone="UTC", tell=wants)
    services.installations.link_phone("u", PHONE)
    for words in ("one", "two"):
        text(services, words)
        run_to_rest(services, clock)
    services.phones.tell()
    assert len([words for words in shown(sandbox, "u") if words == "What you sent is in your Omi."]) == arrived
    sandbox.app(actions=["create_conversation"])
    for words in ("three", "four"):
        sandbox.fault("error_before")
        text(services, words)
        run_to_rest(services, clock)
    services.phones.tell()
    told = [words for words in shown(sandbox, "u") if "could not be delivered" in words]
    assert len(told) == failed, "once an hour: Omi shows nine"
    assert not any("three" in words for words in told)


def test_every_sentence_is_translated() -> None:
    from babel.messages.extract import extract_from_dir
    from babel.messages.pofile import read_po

    from integration_app.model import Reason
    from integration_app.web.language import FOLDER

    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    found = {
        row[2]
        for row in extract_from_dir(
            str(FOLDER.parent), methods, keywords={"_": None, "gettext": None, "ngettext": (1, 2)}
        )
    }
    found |= {reason.label for reason in Reason}
    for file in FOLDER.glob("*/messages.po"):
        with file.open("rb") as lines:
            known = {row.id for row in read_po(lines) if row.id and row.string}
        assert known == found, file
