"""A user's pages beside the first: rules that are tried, a message, a search, undo, writing and sharing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from integration_app.bootstrap import Services
from integration_app.model import Preferences, Then, Through, UserRule
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, run_to_rest, state, text
from tests.integration.web_client import Browser
from tests.people.helpers import sign_in
from tests.sandbox_control import SandboxControl


@pytest.fixture
def services(build: Callable[..., Services]) -> Services:
    return build()


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


@pytest.fixture
def browser(app: Flask, sandbox: SandboxControl, services: Services) -> Browser:
    made = sign_in(app, sandbox, "u")
    services.installations.link_phone("u", PHONE)
    return made


def rules(services: Services) -> tuple[UserRule, ...]:
    installation = services.installations.get("u")
    assert installation is not None
    return installation.preferences.rules


def test_a_rule_is_tried_before_it_is_kept(browser: Browser, services: Services, clock: Clock) -> None:
    text(services, "Lunch with Mara at noon")
    text(services, "the invoice is paid")
    browser.get("/me/rules")
    browser.post("/me/rules", do="try", word="mara", then="memories")
    assert "It matches 1 of your last 2 messages" in browser.page
    assert "Lunch with Mara" in browser.page
    assert rules(services) == ()
    browser.post("/me/rules", do="save", word="mara", then="memories")
    assert rules(services) == (UserRule(Then.MEMORIES, word="mara"),)
    assert "Messages with “mara” → keep it as a memory" in browser.page
    run_to_rest(services, clock)


def test_the_order_of_rules_is_the_users(browser: Browser, services: Services) -> None:
    browser.get("/me/rules")
    for word in ("one", "two", "three"):
        browser.post("/me/rules", do="save", word=word, then="drop", through="text")
    assert [rule.word for rule in rules(services)] == ["three", "two", "one"]
    assert {rule.through for rule in rules(services)} == {Through.TEXT}
    browser.post("/me/rules", do="first", number="2")
    assert [rule.word for rule in rules(services)] == ["one", "three", "two"]
    browser.post("/me/rules", do="remove", number="1")
    assert [rule.word for rule in rules(services)] == ["one", "two"]
    browser.post("/me/rules", do="remove", number="7")
    assert len(rules(services)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"then": "drop"},
        {"then": "explode", "word": "x"},
        {"then": "drop", "sender": "not an address"},
        {"then": "drop", "through": "pigeon", "word": "x"},
    ],
)
def test_what_is_no_rule_is_said_and_not_kept(browser: Browser, services: Services, fields: dict[str, str]) -> None:
    browser.get("/me/rules")
    browser.post("/me/rules", token=None, follow=True, do="save", **fields)
    assert "Give at least a channel" in browser.page
    assert rules(services) == ()


def test_the_pace_is_kept_and_taken_back(browser: Browser, services: Services, clock: Clock) -> None:
    browser.get("/me/rules")
    browser.post("/me/rules", do="pace", pace="daily", hour="7")
    installation = services.installations.get("u")
    assert installation is not None
    assert (installation.preferences.daily, installation.preferences.daily_hour) == (True, 7)
    browser.post("/me/undo")
    installation = services.installations.get("u")
    assert installation is not None
    assert not installation.preferences.daily
    assert "Undone." in browser.page
    browser.post("/me/undo")
    assert "too late" in browser.page


def test_a_pause_is_suggested_to_who_would_gain_from_it(browser: Browser, services: Services, clock: Clock) -> None:
    browser.get("/me/rules")
    assert "You write often" not in browser.page
    for number in range(30):
        text(services, "one of many")
        clock.pass_time(seconds=1100 if number % 2 else 100)
    browser.get("/me/rules")
    assert "With a pause of 5 minutes, your last week would have been" in " ".join(browser.page.split())
    browser.post("/me/rules", do="pace", pace="300", hour="20")
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.preferences.quiet_seconds == 300
    browser.get("/me/rules")
    assert "You write often" not in browser.page, "it has been chosen"


def test_a_message_has_a_page(browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    message_id = text(services, "Dinner with Mara")
    run_to_rest(services, clock)
    browser.get(f"/me/message/{message_id}")
    assert "Dinner with Mara" in browser.page
    assert "Arrived" in browser.page
    assert "In your Omi" in browser.page
    browser.post(f"/me/message/{message_id}", do="rule", sender=PHONE, then="hold")
    assert rules(services) == (UserRule(Then.HOLD, sender=PHONE),)


def test_what_could_not_be_delivered_is_delivered_again(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("error_after", route="create_conversation", times=1)
    message_id = text(services, "parked words")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    sandbox.app(actions=["create_conversation", "read_conversations"])
    browser.get(f"/me/message/{message_id}")
    browser.post(f"/me/message/{message_id}", do="resend")
    services.replays.step(clock())
    clock.pass_time(minutes=10)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert sum("parked words" in said for said in sandbox.texts("u")) == 1, "Omi was looked at first"


def test_nobody_sees_the_messages_of_others(
    browser: Browser, app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    message_id = text(services, "private words")
    other = sign_in(app, sandbox, "v", address="192.0.2.9")
    assert other.get(f"/me/message/{message_id}").status_code == 404
    other.get("/me")
    assert other.post(f"/me/message/{message_id}", do="rule", sender="x@example.com", then="drop").status_code == 404
    assert Browser(app).get(f"/me/message/{message_id}").status_code in (302, 303)
    other.post("/me/search", words="private")
    assert "private words" not in other.page


def test_a_search_looks_through_texts_and_keeps_words_out_of_addresses(
    browser: Browser, services: Services, clock: Clock
) -> None:
    text(services, "Dinner with Mara in Lisbon")
    text(services, "the invoice")
    browser.get("/me")
    answer = browser.post("/me/search", words="LISBON mara")
    assert "1 message" in browser.page
    assert "Dinner with Mara" in browser.page
    assert answer.request.query_string == b""
    browser.post("/me/search", words="nothing of that")
    assert "Nothing found" in browser.page


def test_writing_on_the_page_reaches_omi_once(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser.get("/me/write")
    once = re.search(r'name="once" value="(\w+)"', browser.page)
    assert once is not None
    for _ in range(2):
        browser.post("/me/send", said="remember: the code of the gate", once=once[1])
    run_to_rest(services, clock)
    assert [row["content"] for row in sandbox.memories("u")] == ["the code of the gate"]
    browser.get("/me/write")
    browser.post("/me/send", said="  ")
    assert "nothing in it yet" in browser.page


def test_sharing_fills_the_form_and_sends_nothing_by_itself(
    browser: Browser, services: Services, sandbox: SandboxControl
) -> None:
    answer = browser.client.post(
        "/me/share",
        data={"title": "A page", "text": "worth reading", "url": "https://example.com/a"},
        base_url="https://inbox.example.com",
    )
    assert "A page\nworth reading\nhttps://example.com/a" in answer.text
    assert services.inbox.count() == 0
    made = browser.get("/manifest.webmanifest").json
    assert made is not None
    assert made["share_target"]["action"] == "/me/share"


def test_undoing_takes_back_what_was_changed_and_nothing_else(browser: Browser, services: Services) -> None:
    browser.get("/me/rules")
    browser.post("/me/rules", do="save", word="x", then="drop")
    browser.get("/me")
    installation = services.installations.get("u")
    assert installation is not None
    services.installations.prefer("u", replace(installation.preferences, language="pt"))
    browser.post("/me/undo")
    installation = services.installations.get("u")
    assert installation is not None
    assert (installation.preferences.rules, installation.preferences.language) == ((), "pt")


def test_a_thirty_first_rule_is_said_and_none_is_lost(browser: Browser, services: Services) -> None:
    message_id = text(services, "words")
    kept = tuple(UserRule(Then.DROP, word=f"w{number}") for number in range(30))
    services.installations.prefer("u", Preferences(rules=kept))
    browser.get(f"/me/message/{message_id}")
    browser.post(f"/me/message/{message_id}", do="rule", sender=PHONE, then="hold")
    assert "at most 30 rules" in browser.page
    assert rules(services) == kept


def test_a_first_text_does_not_wait_as_long_as_those_after_it(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    services = build(SMS_QUIET_SECONDS="90", SMS_MAX_WAIT_SECONDS="300")
    sandbox.enable("first")
    link(services, "first", phone="+15550003333")
    waits = []
    for number in range(2):
        began = clock()
        text(services, f"text {number}", sender="+15550003333")
        run_to_rest(services, clock)
        waits.append(round((clock() - began).total_seconds()))
    assert waits == [20, 90]
