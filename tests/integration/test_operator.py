"""The operator's pages and their API: who gets in, what is shown, what is only shown on demand."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pyotp
import pytest
from flask import Flask
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.settings import LOCAL_OPERATOR_PASSWORD as OPERATOR_PASSWORD
from integration_app.web.app import create_app
from integration_app.web.operator_api import openapi
from tests.conftest import Cli, Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.integration.test_dead_letters import parked  # noqa: F401 - a fixture
from tests.integration.web_client import BASE, Browser
from tests.receiver import Receiver
from tests.sandbox_control import SandboxControl

PAGES = (
    "", "/messages", "/dead-letters", "/quarantine", "/installations", "/providers", "/health", "/audit", "/outboxes",
    "/settings",
)  # fmt: skip


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


def signed_in(app: Flask, password: str = OPERATOR_PASSWORD) -> Browser:
    browser = Browser(app)
    browser.get("/operator/login")
    browser.post("/operator/login", password=password)
    return browser


# --- getting in ---------------------------------------------------------------------------------------------


def test_off_unless_a_password_is_set(build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPERATOR_PASSWORD_HASH", "OPERATOR_API_TOKEN"):
        monkeypatch.delenv(name)
    client = create_app(build()).test_client()
    assert [client.get(f"/operator{page}").status_code for page in (*PAGES, "/login", "/api/overview")] == [404] * (
        len(PAGES) + 2
    )


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_shown_before_the_password(app: Flask, page: str) -> None:
    answer = Browser(app).get(f"/operator{page}")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/operator/login")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there_behind_it(app: Flask, page: str) -> None:
    assert signed_in(app).get(f"/operator{page}").status_code == 200


def test_a_wrong_password_opens_nothing_and_is_slowed_down(app: Flask) -> None:
    browser = Browser(app)

    def tried(password: str) -> int:
        browser.get("/operator/login")
        return browser.post("/operator/login", password=password).status_code

    assert [tried(f"guess {n}") for n in range(7)] == [403] * 5 + [429] * 2
    assert tried(OPERATOR_PASSWORD) == 429, "not even the right one"
    assert browser.get("/operator").status_code == 303


def test_a_login_needs_a_form_of_ours(app: Flask) -> None:
    browser = Browser(app)
    browser.post("/operator/login", token="forged", password=OPERATOR_PASSWORD)
    assert browser.get("/operator").status_code == 303


def test_half_an_hour_of_nothing_signs_out(app: Flask, clock: Clock) -> None:
    browser = signed_in(app)
    clock.pass_time(minutes=29)
    assert browser.get("/operator").status_code == 200
    clock.pass_time(minutes=29)
    assert browser.get("/operator").status_code == 200, "counted from the last page"
    clock.pass_time(minutes=31)
    assert browser.get("/operator").status_code == 303


def test_a_page_that_lies_open_signs_out_too(app: Flask, clock: Clock) -> None:
    browser = signed_in(app)
    for _ in range(7):
        clock.pass_time(minutes=5)
        answer = browser.client.get("/operator", headers={"X-Live": "1"}, **browser._how)
    assert answer.status_code == 303


def test_operator_and_user_in_one_browser(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    from tests.people.helpers import sign_in

    browser = sign_in(app, sandbox, "u")
    browser.get("/operator/login")
    browser.post("/operator/login", password=OPERATOR_PASSWORD)
    assert browser.get("/me").status_code == browser.get("/operator").status_code == 200
    browser.post("/operator/logout")
    assert browser.get("/me").status_code == 200


def test_a_users_session_is_no_operators(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    from tests.people.helpers import sign_in

    user = sign_in(app, sandbox, "u")
    assert user.get("/operator").status_code == 303
    operator = signed_in(app)
    assert operator.get("/me").status_code == 303


def test_the_command_makes_a_hash_that_opens(build: Callable[..., Services], cli: Cli) -> None:

    made = cli("operator-password", input="correct horse battery\ncorrect horse battery\n")
    name, _, hashed = made.stdout.strip().splitlines()[-1].partition("=")
    assert name == "OPERATOR_PASSWORD_HASH"
    assert "$" not in hashed, "a shell that loads .env would take it for a variable"
    assert "correct horse" not in hashed
    app = create_app(build(OPERATOR_PASSWORD_HASH=hashed))
    assert signed_in(app, "correct horse battery").get("/operator").status_code == 200
    short = cli("operator-password", "--password", "short")
    assert short.exit_code == 2


# --- what is shown ------------------------------------------------------------------------------------------


def test_words_are_shown_on_demand_only_and_looking_is_noted(
    app: Flask, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    link(services, "u")
    message_id = text(services, "my <b>secret</b> words")
    browser = signed_in(app)
    for page in (*PAGES, f"/messages/{message_id}"):
        assert "secret" not in browser.get(f"/operator{page}").text
    browser.get(f"/operator/messages/{message_id}")
    browser.post(f"/operator/messages/{message_id}")
    assert "my &lt;b&gt;secret&lt;/b&gt; words" in browser.page
    story = services.timeline.show(message_id)
    assert story is not None
    assert [event["by"] for event in story["events"] if event["event"] == "text shown"] == ["operator"]
    assert "secret" not in capsys.readouterr().out


def test_senders_are_masked(app: Flask, services: Services) -> None:
    link(services, "u", phone="+15550004321")
    text(services, "Hello", sender="+15550004321")
    browser = signed_in(app)
    for page in ("/messages", "/installations"):
        assert "+15550004321" not in browser.get(f"/operator{page}").text
        assert "+1555…21" in browser.page


def test_messages_are_searched(app: Flask, services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.enable("ann", "bob")
    link(services, "ann")
    link(services, "bob", phone="+15550002222")
    done = text(services, "one")
    run_to_rest(services, clock)
    clock.pass_time(hours=1)
    new = text(services, "two", sender="+15550002222")
    browser = signed_in(app)

    def found(query: str) -> set[str]:
        page = browser.get(f"/operator/messages?{query}").text
        return set(re.findall(r"/operator/messages/(m[0-9a-z]+)", page))

    assert found("") == {done, new}
    assert found("uid=ann") == {done}
    assert found("state=waiting") == {new}
    assert found("sender=22") == {new}
    assert found("provider=nobody") == set()
    assert found(f"since={clock.now:%Y-%m-%dT%H:%M}") == {new}
    assert found("since=nonsense") == {done, new}
    assert found("state=%00") == set()


def test_dead_letters_are_counted_first_then_sent_again(
    app: Flask,
    services: Services,
    sandbox: SandboxControl,
    clock: Clock,
    parked: list[str],  # noqa: F811
) -> None:
    browser = signed_in(app)
    page = browser.get("/operator/dead-letters").text
    ids = re.findall(r'name="id" value="([^"]+)"', page)
    assert len(ids) == 5
    browser.post("/operator/dead-letters", id=ids[:2], what="replay")
    assert "2 dead letters with 2 messages of 1 user" in " ".join(browser.page.split())
    assert [state(services, message_id, "u") for message_id in parked] == ["parked"] * 5, "nothing is sent yet"
    browser.post("/operator/dead-letters", id=ids[:2], what="replay", sure="yes")
    assert "Replay" in browser.page
    for _ in range(3):
        clock.pass_time(seconds=5)
        services.replays.step(clock())
    run_to_rest(services, clock)
    assert [state(services, message_id, "u") for message_id in parked].count("parked") == 3


def test_what_is_on_the_overview(app: Flask, services: Services, clock: Clock) -> None:
    link(services, "u")
    services.health.beat("w1", now=clock())
    text(services, "Hello")
    page = signed_in(app).get("/operator").text
    assert re.search(r'<div class="number">1</div>\s*<a href="/operator/outboxes">waiting</a>', page)
    assert re.search(r'<div class="number">1</div>\s*<a href="/operator/health">workers</a>', page)
    assert "<title>Overview · Omi Inbox</title>" in page
    assert "waiting for more" in page


# --- the API ------------------------------------------------------------------------------------------------


def call(app: Flask, services: Services, path: str, method: str = "GET", **more: Any) -> TestResponse:
    token = services.settings.operator_api_token[0]
    client = app.test_client()
    answer: TestResponse = client.open(
        f"/operator/api{path}", method=method, base_url=BASE, headers={"Authorization": f"Bearer {token}"}, **more
    )
    return answer


def test_the_api_needs_its_token(app: Flask) -> None:
    client = app.test_client()
    for given in (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic wrong", "Bearer ü", "wrong"):
        headers = {} if given is None else {"Authorization": given}
        assert client.get("/operator/api/overview", headers=headers).status_code == 401
    signed = signed_in(app)
    assert signed.get("/operator/api/overview").status_code == 401, "a session is no token"


def test_the_document_is_valid_and_names_every_route(app: Flask) -> None:
    validate(openapi())
    routes = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("operator_api.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    named = {(path, method) for path, methods in openapi()["paths"].items() for method in methods}
    assert named == routes


def test_the_api_does_what_the_pages_do(
    app: Flask,
    services: Services,
    clock: Clock,
    parked: list[str],  # noqa: F811
) -> None:
    assert call(app, services, "/overview").get_json()["dead_letters"] == 5
    listed = call(app, services, "/dead-letters").get_json()["dead_letters"]
    assert len(listed) == 5
    ids = [row["id"] for row in listed]
    assert call(app, services, "/dead-letters/cost", "POST", json={"ids": ids}).get_json()["messages"] == 5
    assert call(app, services, f"/dead-letters/{ids[0]}", "DELETE").status_code == 200
    assert call(app, services, f"/dead-letters/{ids[0]}", "DELETE").status_code == 404
    replay = call(app, services, "/dead-letters/replay", "POST", json={"ids": ids[1:]})
    assert replay.status_code == 202
    one = replay.get_json()["replay"]
    assert call(app, services, f"/replays/{one}").get_json()["total"] == 4
    for _ in range(5):
        clock.pass_time(seconds=5)
        services.replays.step(clock())
    run_to_rest(services, clock)
    assert call(app, services, f"/replays/{one}").get_json()["done"] == 4
    shown = call(app, services, f"/messages/{parked[4]}").get_json()
    assert shown["id"] == parked[4]
    assert call(app, services, f"/messages/{parked[4]}/text").get_json()["text"] == "text 4"
    assert call(app, services, "/messages?state=done&limit=2").get_json()["messages"]
    assert call(app, services, "/installations").get_json()["installations"][0]["uid"] == "u"
    assert {row["name"] for row in call(app, services, "/providers").get_json()["providers"]} == set(services.providers)
    assert call(app, services, "/health").get_json()["checks"]
    assert call(app, services, "/quarantine").get_json() == {"quarantine": []}
    assert call(app, services, "/messages/nothing").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [("", "ids"), ("[]", "ids"), ("{", "ids"), ('{"ids": 1}', "ids"), ('{"ids": [null, {}]}', "ids"),
     ("[" * 50_000, "ids"), ('{"ids": [], "without_look": true}', "without_look"),
     ('{"ids": [], "rate": "x"}', "rate"), ('{"ids": [], "rate": NaN}', "rate"), ('{"ids": [], "rate": 0}', "rate")],
)  # fmt: skip
@pytest.mark.usefixtures("no_collection")
def test_a_body_of_another_form_is_answered_with_the_field(
    app: Flask, services: Services, body: str, field: str
) -> None:
    answer = call(app, services, "/dead-letters/replay", "POST", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert list(answer.get_json()["fields"]) == [field]


def test_a_copied_cookie_is_worth_nothing_after_signing_out(app: Flask) -> None:
    browser = signed_in(app)
    copied = browser.client.get_cookie("__Host-omi_inbox", domain="inbox.example.com")
    assert copied is not None
    browser.get("/operator")
    browser.post("/operator/logout")
    thief = Browser(app)
    thief.client.set_cookie("__Host-omi_inbox", copied.value, domain="inbox.example.com", secure=True)
    assert thief.get("/operator").status_code == 303


def test_twelve_hours_end_every_session(app: Flask, clock: Clock) -> None:
    browser = signed_in(app)
    for _ in range(30):
        clock.pass_time(minutes=25)
        last = browser.get("/operator").status_code
    assert last == 303


def test_guessing_is_slowed_down_without_redis_too(build: Callable[..., Services]) -> None:
    app = create_app(build(REDIS_URL="redis://127.0.0.1:1/0"))
    browser = Browser(app)
    statuses = []
    for number in range(8):
        browser.get("/operator/login")
        statuses.append(browser.post("/operator/login", password=f"guess {number}").status_code)
    assert statuses[:5] == [403] * 5
    assert statuses[-1] == 429


def test_redis_behind_a_socket_or_sentinels_builds_an_app(build: Callable[..., Services]) -> None:
    for url in ("unix:///nowhere/valkey.sock", "redis+sentinel://127.0.0.1:1/main/0"):
        assert create_app(build(REDIS_URL=url)).test_client().get("/livez").status_code == 200


def test_personal_mode_has_an_error_page(build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMI_APP_ID", "OMI_API_KEY"):
        monkeypatch.delenv(name)
    app = create_app(build(OMI_DEVELOPER_KEY="omi_dev_made_up"))
    assert Browser(app).get("/nothing").status_code == 404


def test_the_command_line_shows_what_the_pages_show(services: Services, clock: Clock, cli: Cli) -> None:

    link(services, "u")
    message_id = text(services, "only on demand")
    shown = cli("overview")
    assert shown.exit_code == 0
    assert "accepted: " in shown.stdout
    assert "waiting: 1" in shown.stdout
    assert "rates" in cli("overview", "--json").stdout
    said = cli("messages", "text", message_id)
    assert said.stdout == "only on demand\n"
    story = services.timeline.show(message_id)
    assert story is not None
    assert [event["by"] for event in story["events"] if event["event"] == "text shown"] == ["operator (command line)"]
    assert cli("messages", "text", "nothing").exit_code == 3


# --- a second factor, an audit, keys that change ------------------------------------------------------------------


def test_a_second_factor_is_asked_for_and_works_once(build: Callable[..., Services], clock: Clock) -> None:
    secret = pyotp.random_base32()
    app = create_app(build(OPERATOR_TOTP_SECRET=secret))

    def tried(code: str, address: str) -> int:
        browser = Browser(app, address)
        browser.get("/operator/login")
        return browser.post("/operator/login", follow=False, password=OPERATOR_PASSWORD, code=code).status_code

    right = pyotp.TOTP(secret).at(clock())
    assert tried("", "192.0.2.1") == 403
    assert tried("000000" if right != "000000" else "111111", "192.0.2.2") == 403
    assert tried(right, "192.0.2.3") == 303
    assert tried(right, "192.0.2.4") == 403, "each code works once"


def test_every_act_leaves_a_line_and_no_words(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    link(services, "u")
    message_id = text(services, "a private word")
    browser = signed_in(app)
    browser.get(f"/operator/messages/{message_id}")
    browser.post(f"/operator/messages/{message_id}")
    call(app, services, f"/messages/{message_id}/text")
    call(app, services, "/overview")
    acts = services.audit.latest()
    assert [(act.what, act.by.partition(",")[0]) for act in acts] == [
        ("text", "API"), ("message", "pages"), ("login", "pages"),
    ]  # fmt: skip
    assert acts[0].about == {"message_id": message_id}
    said = str(acts)
    assert "private word" not in said
    assert OPERATOR_PASSWORD not in said
    assert "message" in browser.get("/operator/audit").text
    exported = call(app, services, "/audit?limit=2").get_json()["audit"]
    assert [row["what"] for row in exported] == ["text", "message"]


def test_the_command_line_leaves_lines_too(services: Services, cli: Cli, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    assert cli("link", "--uid", "u", "--phone", "+15550001111").exit_code == 0
    message_id = text(services, "a private word")
    cli("messages", "text", message_id)
    cli("messages")
    cli("prefer", "--uid", "u", "--allow", "someone@example.org")
    cli("dead-letters", "drop", "nothing", "--yes")
    cli("resume", "--uid", "u")
    cli("unlink", "--uid", "u", "--phone", "+15550001111")
    acts = services.audit.latest()
    assert [act.what for act in acts] == [
        "unlink", "resume", "dead-letters drop, not done", "prefer", "messages text", "link",
    ]  # fmt: skip
    assert all(act.by.startswith("command line, ") for act in acts)
    assert acts[0].about == {"uid": "u"}
    assert acts[4].about == {"message_id": message_id}
    for private in ("private word", "+1555", "someone@"):
        assert private not in str(acts)


def test_secrets_are_changed_with_an_overlap(
    build: Callable[..., Services], settings: dict[str, str], sandbox: SandboxControl, clock: Clock
) -> None:
    old, new = settings["SECRET_KEY"], "n" * 40
    browser = signed_in(create_app(build()))
    app = create_app(build(SECRET_KEY=f"{new},{old}", OPERATOR_API_TOKEN=f"{'t' * 30},{'u' * 30}"))
    moved = Browser(app)
    cookie = browser.client.get_cookie("__Host-omi_inbox", domain="inbox.example.com")
    assert cookie is not None
    moved.client.set_cookie("__Host-omi_inbox", cookie.value, domain="inbox.example.com", secure=True)
    assert moved.get("/operator").status_code == 200
    for token in ("t" * 30, "u" * 30):
        answer = app.test_client().get("/operator/api/overview", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
    gone = Browser(create_app(build(SECRET_KEY=new)))
    gone.client.set_cookie("__Host-omi_inbox", cookie.value, domain="inbox.example.com", secure=True)
    assert gone.get("/operator").status_code == 303


def test_guesses_of_all_strangers_share_a_ceiling_and_a_known_browser_has_its_own(app: Flask) -> None:
    known = signed_in(app)
    statuses = []
    for number in range(120):
        stranger = Browser(app, f"198.51.{number}.1")
        stranger.get("/operator/login")
        statuses.append(stranger.post("/operator/login", password="wrong").status_code)
    assert statuses.count(403) <= 100
    assert statuses[-1] == 429
    known.post("/operator/logout")
    known.get("/operator/login")
    assert known.post("/operator/login", follow=False, password=OPERATOR_PASSWORD).status_code == 303


def test_a_proxy_that_signs_operators_in_names_them(
    build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPERATOR_PASSWORD_HASH")
    services = build(OPERATOR_PROXY_HEADER="X-Forwarded-User", TRUSTED_PROXIES="1")
    client = create_app(services).test_client()

    def status(peer: str, **headers: str) -> int:
        answer = client.get("/operator", base_url=BASE, headers=headers, environ_base={"REMOTE_ADDR": peer})
        return answer.status_code

    named = {"X-Forwarded-User": "ana", "X-Forwarded-For": "198.51.100.7"}
    assert status("10.0.0.5", **named) == 200
    assert status("10.0.0.5") == 303
    assert status("8.8.8.8", **named) == 303, "who comes past the proxy may say what it likes"
    assert client.get("/operator/login", base_url=BASE).status_code == 403


def test_a_test_alert_from_the_page(build: Callable[..., Services]) -> None:
    browser = signed_in(create_app(build()))
    browser.get("/operator/health")
    assert "set ALERT_URLS or ALERT_WEBHOOK_URL first" in browser.post("/operator/health/alert").get_data(as_text=True)
    with Receiver() as receiver:
        services = build(ALERT_WEBHOOK_URL=f"{receiver.url}/hook", ALERT_WEBHOOK_SECRET="whsec_" + "A" * 32)
        browser = signed_in(create_app(services))
        browser.get("/operator/health")
        browser.post("/operator/health/alert")
        assert "sent to" in browser.page
        assert len(receiver.at("/hook")) == 1


@pytest.mark.usefixtures("parked")
def test_a_message_page_leads_to_its_user_and_sends_a_parked_one_again(app: Flask, services: Services) -> None:
    browser = signed_in(app)
    found, _ = services.dead_letters.list()[0]
    page = browser.get(f"/operator/messages/{found.message_ids[0]}").text
    assert f"/operator/outboxes/{found.uid}" in page
    assert re.search(r"</time>\s+\+\d+\.\d+ (s|min|h)", page), "how long after the one before"
    assert browser.get(f"/operator/outboxes/{found.uid}").status_code == 200
    browser.get(f"/operator/messages/{found.message_ids[0]}")
    browser.post("/operator/dead-letters", id=found.id, what="replay")
    assert "1 dead letter with 1 message of 1 user" in " ".join(browser.page.split()), "what it costs is said first"


@pytest.mark.parametrize("limit", ["9" * 4500, "-1", "x", "²"])
def test_an_odd_limit_is_answered(app: Flask, services: Services, limit: str) -> None:
    assert call(app, services, f"/audit?limit={limit}").status_code == 200


def test_a_search_for_words_is_audited_and_stays_out_of_addresses(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    sandbox.enable("u")
    link(services, "u")
    text(services, "Dinner with Mara")
    text(services, "the invoice")
    browser = signed_in(app)
    browser.get("/operator/messages")
    answer = browser.post("/operator/messages/search", words="MARA dinner")
    assert "1 of 2 messages" in " ".join(browser.page.split())
    assert "Dinner" not in re.sub(r'value="[^"]*"', "", browser.page), "rows name no words"
    assert answer.request.query_string == b""
    assert services.audit.latest()[0].what == "search"
    assert "MARA" not in str(services.audit.latest()[0])


def test_a_problem_that_somebody_looks_after_stands_below(app: Flask, services: Services, clock: Clock) -> None:
    browser = signed_in(app)
    browser.get("/operator")
    found = re.search(r'name="what" value="([^"]+)"', browser.page)
    assert found is not None, "no worker runs here"
    words = re.search(r'name="words" value="([^"]+)"', browser.page)
    assert words is not None
    browser.post("/operator/acknowledge", what=found[1], words=unescape(words[1]))
    assert "1 acknowledged problem" in browser.page
    assert "operator is on it" in browser.page


def test_settings_are_shown_without_secrets(app: Flask, services: Services) -> None:
    page = signed_in(app).get("/operator/settings").text
    assert "SMS_QUIET_SECONDS" in page
    assert "TWILIO_AUTH_TOKENS" in page
    for secret in (services.settings.omi_api_key, *services.settings.secret_key, services.settings.redis_url):
        assert secret
        assert secret not in page
    for name, value in os.environ.items():
        if any(part in name for part in ("TOKEN", "SECRET", "KEY", "USERS", "PASSWORD")) and len(value) > 7:
            assert value not in page, name


@pytest.mark.parametrize("span", ["hour", "day", "week", "x"])
def test_the_chart_shows_what_is_asked_for(app: Flask, services: Services, span: str) -> None:
    page = signed_in(app).get(f"/operator?span={span}").text
    assert f"Last {span if span != 'x' else 'day'}, UTC" in page


@pytest.mark.usefixtures("parked")
def test_all_that_a_filter_shows_is_sent_again_after_a_question(app: Flask, services: Services) -> None:
    browser = signed_in(app)
    browser.get("/operator/dead-letters")
    assert 'type="checkbox" name="id"' in browser.page
    assert "checked" not in browser.page
    shown = re.findall(r'name="shown" value="([^"]+)"', browser.page)
    browser.post("/operator/dead-letters", what="replay all", shown=shown)
    assert "would take" in browser.page or "calls" in browser.page
    assert services.dead_letters.size() == len(shown), "nothing happens before it is confirmed"


def test_messages_are_listed_from_either_end(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.enable("u")
    link(services, "u")
    ids = []
    for _ in range(4):
        ids.append(text(services, "words"))
        clock.pass_time(hours=1)
    start = clock() - timedelta(hours=4)

    def listed(**how: Any) -> list[str]:
        return [row["id"] for row in operations.messages(services, **how)]

    for uid in ("", "u"):
        assert listed(uid=uid) == ids[::-1]
        assert listed(uid=uid, oldest_first=True) == ids
        middle = {"since": start + timedelta(minutes=30), "until": start + timedelta(hours=2, minutes=30)}
        assert listed(uid=uid, **middle) == [ids[2], ids[1]]
        assert listed(uid=uid, oldest_first=True, **middle) == [ids[1], ids[2]]
