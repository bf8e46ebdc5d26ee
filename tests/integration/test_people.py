"""A user's pages under attack: each promise is a test that tries to break it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from integration_app.bootstrap import Services
from integration_app.errors import UnknownRecipient
from integration_app.model import Content, InboundMessage, Preferences, Route
from integration_app.store import keys
from integration_app.web.app import create_app
from integration_app.web.security import caller
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.integration.web_client import Browser
from tests.sandbox_control import SandboxControl

PHONE, OTHER_PHONE = "+15550001111", "+15550002222"


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


def code_for(sandbox: SandboxControl, uid: str) -> str:
    shown = sandbox._get("/notifications", uid=uid)["notifications"]
    found = re.search(r"\d{6}", shown[-1]["message"])
    assert found
    return found.group()


def sign_in(app: Flask, sandbox: SandboxControl, uid: str, address: str = "192.0.2.1") -> Browser:
    sandbox.enable(uid)
    browser = Browser(app, address)
    browser.get(f"/setup?uid={uid}")
    browser.post("/setup/code", uid=uid)
    answer = browser.post("/setup/verify", uid=uid, code=code_for(sandbox, uid))
    assert "Your private address" in browser.page, answer.status
    return browser


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/me").status_code == 200


# --- proving the account ------------------------------------------------------------------------------------


def test_a_uid_in_a_url_shows_and_changes_nothing(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    owner = sign_in(app, sandbox, "victim")
    stranger = Browser(app)
    before = services.installations.get("victim")
    for path in ("/setup?uid=victim", "/?uid=victim", "/me?uid=victim", "/me/export?uid=victim"):
        answer = stranger.get(path)
        assert before is not None
        assert before.inbox_token not in answer.text
    stranger.get("/setup?uid=victim")
    for action in ("pause", "erase", "new-address", "link-code", "sign-out-everywhere", "preferences"):
        stranger.post(f"/me/{action}", uid="victim", sure="yes", paused="yes")
    assert services.installations.get("victim") == before
    assert is_signed_in(owner)


def test_the_code_comes_through_omi_alone_and_is_kept_as_a_digest(
    app: Flask, services: Services, sandbox: SandboxControl, redis: Redis
) -> None:
    sandbox.enable("u")
    browser = Browser(app)
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    code = code_for(sandbox, "u")
    assert code not in browser.page
    kept = [str(redis.hgetall(key)) for key in redis.scan_iter("*") if redis.type(key) == "hash"]
    assert not [row for row in kept if code in row]
    with browser.client.session_transaction(base_url="https://inbox.example.com") as held:
        assert code not in str(dict(held))


def test_a_code_works_once(app: Flask, sandbox: SandboxControl) -> None:
    sign_in(app, sandbox, "u")
    second = Browser(app)
    second.get("/setup?uid=u")
    second.post("/setup/verify", uid="u", code=code_for(sandbox, "u"))
    assert not is_signed_in(second)


def test_five_wrong_codes_end_the_right_one(app: Flask, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    browser = Browser(app)
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    code = code_for(sandbox, "u")
    for _ in range(5):
        browser.post("/setup/verify", uid="u", code=wrong(code))
    browser.post("/setup/verify", uid="u", code=code)
    assert not is_signed_in(browser)


def test_a_code_is_worth_nothing_for_another_uid(app: Flask, sandbox: SandboxControl) -> None:
    sandbox.enable("attacker", "victim")
    browser = Browser(app)
    browser.get("/setup?uid=victim")
    browser.post("/setup/code", uid="victim")
    browser.post("/setup/code", uid="attacker")
    browser.post("/setup/verify", uid="victim", code=code_for(sandbox, "attacker"))
    assert not is_signed_in(browser)


def test_a_code_expires(app: Flask, services: Services, sandbox: SandboxControl, redis: Redis) -> None:
    sandbox.enable("u")
    browser = Browser(app)
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    key = next(key for key in redis.scan_iter("oi:code:*"))
    assert 590 < int(redis.ttl(key)) <= 600
    redis.delete(key)
    browser.post("/setup/verify", uid="u", code=code_for(sandbox, "u"))
    assert not is_signed_in(browser)


def test_codes_are_sent_three_times_an_hour_for_a_uid_and_for_a_caller(
    build: Callable[..., Services], sandbox: SandboxControl
) -> None:
    app = create_app(build(LOGIN_CODES_PER_HOUR="3"))
    sandbox.enable("u", "v", "w")
    browsers = [Browser(app, f"192.0.2.{number}") for number in range(5)]
    for browser in browsers:  # one uid, many callers
        browser.get("/setup?uid=u")
        browser.post("/setup/code", uid="u")
    assert len(sandbox._get("/notifications", uid="u")["notifications"]) == 3
    assert "Too many tries" in browsers[-1].page
    one = Browser(app, "192.0.2.77")
    for uid in ("v", "w", "v", "w"):  # one caller, many uids
        one.get(f"/setup?uid={uid}")
        one.post("/setup/code", uid=uid)
    assert sum(len(sandbox._get("/notifications", uid=uid)["notifications"]) for uid in "vw") == 3


@pytest.mark.parametrize(("proxies", "counted_apart"), [("0", False), ("1", True)])
def test_forwarded_addresses_count_only_behind_trusted_proxies(
    build: Callable[..., Services], sandbox: SandboxControl, proxies: str, counted_apart: bool
) -> None:
    app = create_app(build(LOGIN_CODES_PER_HOUR="1", TRUSTED_PROXIES=proxies))
    sandbox.enable("u", "v")
    for number, uid in enumerate("uv"):
        browser = Browser(app)
        browser._how["environ_base"] = {"REMOTE_ADDR": "192.0.2.9", "HTTP_X_FORWARDED_FOR": f"198.51.100.{number}"}
        browser.get(f"/setup?uid={uid}")
        browser.post("/setup/code", uid=uid)
    assert bool(sandbox._get("/notifications", uid="v")["notifications"]) is counted_apart


def test_who_has_not_enabled_the_app_is_told_so(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = Browser(app)
    browser.get("/setup?uid=nobody-yet")
    browser.post("/setup/code", uid="nobody-yet")
    assert "Enable it in Omi first" in browser.page
    assert services.installations.get("nobody-yet") is None


def test_a_known_and_an_unknown_uid_are_answered_alike(app: Flask, sandbox: SandboxControl) -> None:
    sign_in(app, sandbox, "known-uid")
    sandbox.enable("fresh-uid")
    answers = []
    for uid in ("known-uid", "fresh-uid"):
        browser = Browser(app, "192.0.2.50")
        browser.get(f"/setup?uid={uid}")
        browser.post("/setup/code", uid=uid)
        answers.append(re.sub(r'value="[^"]+"', "", browser.page))
    assert answers[0] == answers[1]


def test_nobody_elses_asking_or_guessing_touches_a_code(app: Flask, sandbox: SandboxControl) -> None:
    sandbox.enable("victim")
    victim, stranger = Browser(app), Browser(app, "192.0.2.200")
    victim.get("/setup?uid=victim")
    victim.post("/setup/code", uid="victim")
    code = code_for(sandbox, "victim")
    stranger.get("/setup?uid=victim")
    stranger.post("/setup/code", uid="victim")
    for number in range(8):
        stranger.post("/setup/verify", uid="victim", code=f"{number:06d}")
    stranger.post("/setup/verify", uid="victim", code=code)
    assert not is_signed_in(stranger), "the code is another browser's"
    victim.post("/setup/verify", uid="victim", code=code)
    assert is_signed_in(victim)


def test_a_code_is_typed_in_after_leaving_the_page_and_coming_back(app: Flask, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    browser = Browser(app)
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    browser.get("/setup?uid=u")
    assert "I have a code" in browser.page
    browser.get("/setup?uid=u&step=type")
    browser.post("/setup/verify", uid="u", code=code_for(sandbox, "u"))
    assert is_signed_in(browser)


def test_what_was_not_sent_does_not_count(build: Callable[..., Services], sandbox: SandboxControl) -> None:
    app = create_app(build(LOGIN_CODES_PER_HOUR="1"))
    browser = Browser(app)
    for _ in range(3):
        browser.get("/setup?uid=u")
        browser.post("/setup/code", uid="u")
        assert "Enable it in Omi first" in browser.page
    sandbox.enable("u")
    browser.get("/setup?uid=u")
    browser.post("/setup/code", uid="u")
    assert "six digits" in browser.page


def test_whoever_comes_back_need_not_wait(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    link(services, "u")
    text(services, "Are you there?")
    run_to_rest(services, clock, within=timedelta(hours=1))
    left = services.installations.get("u")
    assert left is not None
    assert left.left_at is not None
    sign_in(app, sandbox, "u")
    run_to_rest(services, clock, within=timedelta(minutes=1))
    assert sandbox.texts("u") == ["Me: Are you there?"]


def test_whoever_left_long_ago_is_erased(services: Services, clock: Clock, redis: Redis) -> None:
    link(services, "leaver-uid")
    services.installations.mark_left("leaver-uid", now=clock())
    clock.pass_time(days=29)
    services.retention.sweep(clock())
    assert services.installations.get("leaver-uid") is not None
    clock.pass_time(days=2)
    services.retention.sweep(clock())
    assert [key for key in redis.scan_iter("*") if "leaver-uid" in _everything(redis, str(key))] == []


def test_the_home_of_another_uid_is_not_mine(app: Flask, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "a")
    assert browser.get("/?uid=b").status_code == 200
    assert browser.get("/?uid=a").status_code == browser.get("/").status_code == 303


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


# --- sessions and forms -------------------------------------------------------------------------------------


def test_a_session_that_was_there_before_is_worth_nothing_after(app: Flask, sandbox: SandboxControl) -> None:
    """Session fixation: an attacker's cookie in the victim's browser does not become the victim's session."""
    attacker = Browser(app)
    attacker.get("/setup?uid=victim")
    planted = attacker.client.get_cookie("__Host-omi_inbox", domain="inbox.example.com")
    assert planted is not None
    victim = Browser(app)
    victim.client.set_cookie("__Host-omi_inbox", planted.value, domain="inbox.example.com", secure=True)
    sandbox.enable("victim")
    victim.get("/setup?uid=victim")
    victim.post("/setup/code", uid="victim")
    victim.post("/setup/verify", uid="victim", code=code_for(sandbox, "victim"))
    assert is_signed_in(victim)
    assert not is_signed_in(attacker)


@pytest.mark.parametrize("token", ["", "forged"])
def test_a_form_of_another_site_changes_nothing(
    app: Flask, services: Services, sandbox: SandboxControl, token: str
) -> None:
    browser = sign_in(app, sandbox, "u")
    before = services.installations.get("u")
    for action in ("pause", "erase", "new-address", "sign-out-everywhere"):
        browser.post(f"/me/{action}", token=token, paused="yes", sure="yes")
    assert services.installations.get("u") == before
    assert is_signed_in(browser)


def test_nothing_changes_by_a_get(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    before = services.installations.get("u")
    for action in ("pause", "erase", "new-address"):
        assert browser.get(f"/me/{action}?paused=yes&sure=yes").status_code in (404, 405)
    assert services.installations.get("u") == before


def test_the_cookie_is_closed_to_scripts_other_sites_and_plain_http(app: Flask, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    browser = Browser(app)
    cookie = browser.get("/setup?uid=u").headers["Set-Cookie"]
    assert all(flag in cookie for flag in ("HttpOnly", "Secure", "SameSite=Lax"))


def test_a_tampered_cookie_opens_nothing(app: Flask, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    held = browser.client.get_cookie("__Host-omi_inbox", domain="inbox.example.com")
    assert held is not None
    for value in (held.value[:-2] + "xx", "e30.x.y", "\x00", held.value.replace(".", "..", 1)):
        other = Browser(app)
        other.client.set_cookie("__Host-omi_inbox", value, domain="inbox.example.com", secure=True)
        assert not is_signed_in(other)


def test_sessions_are_listed_and_ended_from_elsewhere(app: Flask, sandbox: SandboxControl) -> None:
    first, second = sign_in(app, sandbox, "u"), sign_in(app, sandbox, "u")
    other = re.search(r'name="session" value="([0-9a-f]+)"', second.get("/me").text)
    assert other
    second.post("/me/end-session", session=other.group(1))
    assert not is_signed_in(first)
    assert is_signed_in(second)
    third = sign_in(app, sandbox, "u")
    second.post("/me/sign-out-everywhere")
    assert not is_signed_in(second)
    assert not is_signed_in(third)


def test_a_session_ends_after_thirty_days(app: Flask, sandbox: SandboxControl, clock: Clock) -> None:
    browser = sign_in(app, sandbox, "u")
    for days in (10, 10, 9.9):
        clock.pass_time(days=days)
        assert is_signed_in(browser)
    clock.pass_time(days=0.2)
    assert not is_signed_in(browser)


def test_a_session_that_is_not_used_ends_after_two_weeks(app: Flask, sandbox: SandboxControl, clock: Clock) -> None:
    browser = sign_in(app, sandbox, "u")
    clock.pass_time(days=14.1)
    assert not is_signed_in(browser)


def test_one_cannot_end_the_session_of_another(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    mine, theirs = sign_in(app, sandbox, "me"), sign_in(app, sandbox, "them")
    with theirs.client.session_transaction(base_url="https://inbox.example.com") as held:
        theirs_id = services.auth.sessions.id_of(held["uid"], held["key"])
    mine.get("/me")
    mine.post("/me/end-session", session=theirs_id)
    assert is_signed_in(theirs)
    theirs.get("/me")
    theirs.post("/me/end-session", session=theirs_id)
    assert not is_signed_in(theirs), "it is the right name of the session"


def test_two_tabs_both_work(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    old_tab = browser.page
    browser.get("/me")
    browser.post("/me/pause", paused="yes")
    browser.page = old_tab
    browser.post("/me/pause", paused="no")
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.preferences.paused is False


def test_the_whole_mail_is_asked_for_once_and_the_page_says_so(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    installation = services.installations.get("u")
    assert installation is not None
    said = "Friday it is.\n\nOn Mon, Nov 16, 2026 at 9:14 AM Sam <sam@example.com> wrote:\n> Shall we meet?\n> Sam\n"
    reply = text(
        services, "", channel="email", route=Route.RECIPIENT, sender="sam@example.com",
        recipients=(f"{installation.inbox_token}@in.example.com",), content=Content(text=said),
    )  # fmt: skip
    run_to_rest(services, clock)
    assert "Deliver the whole mail" in browser.get("/me").text
    browser.post("/me/whole", message=reply)
    page = browser.get("/me").text
    assert "You asked for the whole mail" in page
    assert "Deliver the whole mail" not in page


# --- what the pages send ------------------------------------------------------------------------------------


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


def test_wrong_codes_lock_a_uid_for_longer_and_longer_and_its_owner_ends_it(
    services: Services, redis: Redis, clock: Clock
) -> None:
    codes, who = services.auth.login_codes, services.auth.login_codes._digests.of("uid", "u")
    ttls = []
    for number in range(30):
        browser = f"b{number}"
        codes.keep_code("u", browser, "123456")
        assert not codes.take_code("u", browser, "000000")
        if redis.exists(keys.locked(who)):
            ttls.append(redis.ttl(keys.locked(who)))
            assert not codes.may_send("u", f"192.0.2.{number}")
            redis.delete(keys.locked(who))
    assert [round(ttl / 3600) for ttl in ttls] == [1, 2, 4]
    codes.keep_code("u", "last", "123456")
    redis.set(keys.locked(who), 1)
    assert codes.code_for_chat("u"), "the owner, in Omi's chat"
    assert not redis.exists(keys.locked(who))
    assert codes.take_code("u", "last", "123456")
    assert not redis.exists(keys.wrong(who))


def test_without_a_code_a_wrong_try_locks_nobody(services: Services, redis: Redis) -> None:
    for number in range(40):
        assert not services.auth.login_codes.take_code("u", f"b{number}", "000000")
    assert services.auth.login_codes.may_send("u", "192.0.2.9")


def test_asking_for_users_who_have_not_enabled_the_app_is_bounded(app: Flask, sandbox: SandboxControl) -> None:
    """Each time costs a call to Omi with our key: eighteen of eighteen went through before."""
    browser = Browser(app)
    for number in range(18):
        browser.get(f"/setup?uid=stranger{number}")
        browser.post("/setup/code", uid=f"stranger{number}")
    assert len(sandbox.calls("notification")) <= 10


def test_a_caller_past_the_proxy_is_not_believed(build: Callable[..., Services]) -> None:
    app = create_app(build(TRUSTED_PROXIES="1"))

    @app.get("/who")
    def who() -> str:
        return caller()

    def seen(peer: str) -> str:
        how: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": peer}, "headers": {"X-Forwarded-For": "203.0.113.7:99"}}
        return str(app.test_client().get("/who", **how).text)

    assert seen("10.0.0.1") == "203.0.113.7/32"
    assert seen("8.8.8.8") == "8.8.8.8/32"


@pytest.fixture
def shared(services: Services, sandbox: SandboxControl) -> str:
    """A phone of `victim`, who was talked into texting the code of `mallory`."""
    sandbox.enable("victim", "mallory")
    link(services, "victim")
    services.installations.add("mallory", now=services.clock())
    text(services, services.auth.link_codes.new("mallory"))
    return PHONE


def test_who_has_a_phone_is_told_when_another_account_links_it(
    services: Services, sandbox: SandboxControl, app: Flask, shared: str
) -> None:
    services.phones.tell()
    (notice,) = sandbox.notifications("victim")
    assert "UNLINK" in notice["message"]
    assert shared not in notice["message"]
    assert not sandbox.notifications("mallory")
    browser = sign_in(app, sandbox, "victim")
    assert "Also linked to another account" in browser.get("/me").text
    assert "That was me" in browser.page
    assert "has to confirm it" in sign_in(app, sandbox, "mallory").get("/me").text


def test_a_link_that_nobody_confirms_ends(services: Services, clock: Clock, shared: str) -> None:
    assert services.installations.with_phone(shared) == ["mallory", "victim"]
    clock.pass_time(hours=23)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory", "victim"]
    services.phones.confirm("mallory", shared)  # not theirs to confirm
    clock.pass_time(hours=2)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["victim"]


def test_a_confirmed_link_stays(
    services: Services, sandbox: SandboxControl, app: Flask, clock: Clock, shared: str
) -> None:
    browser = sign_in(app, sandbox, "victim")
    browser.get("/me")
    browser.post("/me/confirm-phone", phone=shared)
    assert "That was me" not in browser.page
    clock.pass_time(days=3)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory", "victim"]


@pytest.mark.parametrize("how", ["page", "text"])
def test_an_owner_ends_all_links_of_a_phone(
    services: Services, sandbox: SandboxControl, app: Flask, clock: Clock, shared: str, how: str
) -> None:
    if how == "page":
        browser = sign_in(app, sandbox, "victim")
        browser.get("/me")
        browser.post("/me/unlink", phone=shared)
    else:
        message_id = text(services, " unlink. ")
        story = services.inbox.story(message_id)
        assert story is not None
        assert story.message.control == "UNLINK"
        assert not story.states, "and is not forwarded"
    assert services.installations.with_phone(shared) == []
    services.phones.tell()
    assert [row for row in sandbox.notifications("mallory") if "not linked" in row["message"]]
    clock.pass_time(days=2)
    services.phones.step()


def test_who_is_not_confirmed_ends_only_their_own_link(services: Services, shared: str) -> None:
    services.phones.remove("mallory", shared)
    assert services.installations.with_phone(shared) == ["victim"]
    services.phones.remove("mallory", shared)
    assert services.installations.with_phone(shared) == ["victim"]


def test_unlink_of_a_stranger_is_for_nobody(services: Services) -> None:
    with pytest.raises(UnknownRecipient):
        text(services, "UNLINK", sender="+15550007777")


def test_another_spelling_of_a_number_makes_nobody_its_owner(services: Services, clock: Clock) -> None:
    services.installations.add("u", now=clock())
    services.installations.add("v", now=clock())
    services.phones.link("u", "+5215512345678")
    services.phones.link("v", "+525512345678")
    for number in ("+5215512345678", "+525512345678"):
        assert services.phones.owners(number) == ["u"]
        assert services.phones.waiting("u", number)
    services.phones.remove("v", "+5215512345678")
    assert services.installations.with_phone("+525512345678") == ["u"]


def test_linking_again_and_again_wins_no_time(services: Services, clock: Clock, shared: str) -> None:
    for _ in range(3):
        clock.pass_time(hours=7)
        services.phones.link("mallory", shared)
    clock.pass_time(hours=4)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["victim"]


def test_who_is_the_last_on_a_phone_keeps_it(services: Services, clock: Clock, shared: str) -> None:
    services.erasure.erase("victim")
    services.phones.link("mallory", shared)
    clock.pass_time(days=2)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory"]


def test_an_unlink_that_is_delivered_twice_ends_no_later_link(services: Services, shared: str) -> None:
    text(services, "UNLINK", dedupe_keys=("once",))
    services.phones.link("victim", shared)
    text(services, "UNLINK", dedupe_keys=("once",))
    assert services.installations.with_phone(shared) == ["victim"]


def test_an_erased_account_leaves_no_waiting_link(services: Services, redis: Redis, shared: str) -> None:
    services.erasure.erase("mallory")
    assert not redis.exists(keys.PROVISIONAL)


# --- what Omi asks ------------------------------------------------------------------------------------------


def test_setup_completed_is_the_same_for_everybody(
    app: Flask, sandbox: SandboxControl, redis: Redis, build: Callable[..., Services]
) -> None:
    def asked(client: Any, **query: str) -> tuple[int, Any]:
        answer: TestResponse = client.get("/setup/completed", query_string=query)
        return answer.status_code, answer.get_json()

    sign_in(app, sandbox, "u")
    away = create_app(build(REDIS_URL="redis://127.0.0.1:1/0")).test_client()
    for query in ({}, {"uid": "u"}, {"uid": "unknown"}, {"uid": ""}, {"uid": "x" * 5000}, {"uid": "a b"}):
        for client in (app.test_client(), away):
            assert asked(client, **query) == (200, {"is_setup_completed": True})


def test_opening_the_page_keeps_nothing_of_strangers(app: Flask, redis: Redis) -> None:
    Browser(app).get("/setup?uid=warm-up")
    before = set(redis.scan_iter("oi:*"))
    for number in range(30):
        Browser(app).get(f"/setup?uid=stranger{number}")
    kept = {str(key) for key in set(redis.scan_iter("oi:*")) - before}
    assert not {key for key in kept if not key.startswith("oi:throttle")}, "but counts of a minute"


# --- phones -------------------------------------------------------------------------------------------------


def sent_from(phone: str, services: Services, words: str) -> None:
    with suppress(UnknownRecipient):  # a phone that nobody has linked
        text(services, words, sender=phone)


def made_code(browser: Browser) -> str:
    browser.get("/me")
    browser.post("/me/link-code")
    found = re.search(r"LINK-[A-Z0-9]{6}", browser.page)
    assert found
    return found.group()


def phones(services: Services, uid: str) -> tuple[str, ...]:
    installation = services.installations.get(uid)
    assert installation is not None
    return tuple(installation.phones)


def test_a_texted_code_links_the_phone_that_sent_it_once(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    browser = sign_in(app, sandbox, "u")
    code = made_code(browser)
    text(services, code.lower().replace("-", " "), sender=PHONE)
    assert phones(services, "u") == (PHONE,)
    sent_from(OTHER_PHONE, services, code)
    assert phones(services, "u") == (PHONE,), "used up"
    assert code not in browser.get("/me").text, "a code that is used up is not shown any more"


def test_a_phone_may_serve_two_accounts_and_the_first_keeps_it(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    for uid in ("first", "second"):
        text(services, made_code(sign_in(app, sandbox, uid)), sender=PHONE)
    assert phones(services, "first") == phones(services, "second") == (PHONE,)


def test_a_new_link_code_ends_the_one_before(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    old, new = made_code(browser), made_code(browser)
    sent_from(OTHER_PHONE, services, old)
    assert phones(services, "u") == ()
    text(services, new, sender=PHONE)
    assert phones(services, "u") == (PHONE,)


WRONG = "BCDEFGHJKMNP"


def test_guessing_link_codes_ends_after_a_few(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    code = made_code(sign_in(app, sandbox, "u"))
    for number in range(12):
        sent_from(OTHER_PHONE, services, f"LINK-{WRONG[number]}AAAAA")
    sent_from(OTHER_PHONE, services, code)
    assert phones(services, "u") == ()


def test_a_mail_cannot_link_a_phone(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    code = made_code(sign_in(app, sandbox, "u"))
    with suppress(UnknownRecipient):
        text(services, code, sender=PHONE, channel="email", route=Route.RECIPIENT, recipients=("x@in.example.com",))
    assert phones(services, "u") == ()


def test_a_link_code_never_becomes_a_conversation(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    text(services, made_code(browser), sender=PHONE)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == []


# --- another's data, pausing, leaving -----------------------------------------------------------------------


def test_one_users_page_shows_nothing_of_another(
    app: Flask, services: Services, sandbox: SandboxControl, redis: Redis
) -> None:
    link(services, "them", phone=OTHER_PHONE)
    theirs = text(services, "Not for you.", sender=OTHER_PHONE)
    browser = sign_in(app, sandbox, "me")
    exported = browser.get("/me/export").text
    for said in (browser.get("/me").text, exported):
        assert "them" not in said
        assert OTHER_PHONE not in said
        assert theirs not in said
        assert "Not for you" not in said


def test_one_cannot_release_or_drop_what_is_held_for_another(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.add("them", now=clock())
    installation = services.installations.get("them")
    assert installation is not None
    services.installations.prefer("them", Preferences(senders=("friend@example.com",)))
    held = text(
        services, "Hm.", sender="stranger@example.com", channel="email", route=Route.RECIPIENT,
        recipients=(f"{installation.inbox_token}@in.example.com",),
    )  # fmt: skip
    assert state(services, held, "them") == "quarantined"
    browser = sign_in(app, sandbox, "me")
    for action in ("release", "drop"):
        browser.post(f"/me/{action}", message=held)
    assert state(services, held, "them") == "quarantined"


def test_pausing_holds_everything_and_going_on_sends_it(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    link(services, "u")
    browser.post("/me/pause", paused="yes")
    message_id = text(services, "Later.")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == []
    assert "you have paused" in browser.get("/me").text
    browser.post("/me/pause", paused="no")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: Later."]
    assert state(services, message_id, "u") == "done"


def test_erasing_leaves_nothing_of_the_uid_and_everything_of_others(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock, redis: Redis
) -> None:
    browser = sign_in(app, sandbox, "leaver-uid")
    other = sign_in(app, sandbox, "stayer-uid")
    link(services, "leaver-uid", "stayer-uid")
    shared = text(services, "For both of us.")
    run_to_rest(services, clock)
    text(services, "Waiting when it happens.")
    made_code(browser)
    browser.get("/me")
    answer = browser.post("/me/erase", sure="yes")
    assert "This is your receipt" in answer.text
    kept = [key for key in redis.scan_iter("*") if "leaver-uid" in _everything(redis, str(key))]
    assert kept == []
    assert not is_signed_in(browser)
    assert is_signed_in(other)
    assert state(services, shared, "stayer-uid") == "done"
    run_to_rest(services, clock)
    assert "Me: Waiting when it happens." in sandbox.texts("stayer-uid")
    assert "Me: Waiting when it happens." not in sandbox.texts("leaver-uid")
    assert keys.installation("leaver-uid") not in list(redis.scan_iter("*"))


def _everything(redis: Redis, key: str) -> str:
    read: dict[str, Callable[[str], Any]] = {
        "string": redis.get, "hash": redis.hgetall, "set": redis.smembers,
        "zset": lambda name: redis.zrange(name, 0, -1), "list": lambda name: redis.lrange(name, 0, -1),
        "stream": redis.xrange,
    }  # fmt: skip
    return key + str(read[str(redis.type(key))](key))


def test_erasing_needs_to_be_meant(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    browser.post("/me/erase")
    assert services.installations.get("u") is not None


def test_the_export_holds_texts_and_what_became_of_them(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    link(services, "u")
    text(services, "Keep this 😀.")
    run_to_rest(services, clock)
    answer = browser.get("/me/export")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    exported = json.loads(answer.data)
    assert [(row["text"], row["state"]) for row in exported["messages"]] == [("Keep this 😀.", "done")]
    assert exported["installation"]["phones"] == [PHONE]


def test_pages_say_so_when_redis_is_away(build: Callable[..., Services]) -> None:
    app = create_app(build(REDIS_URL="redis://127.0.0.1:1/0"))
    browser = Browser(app)
    browser.get("/setup?uid=u")
    answer = browser.post("/setup/code", uid="u")
    assert answer.status_code == 503
    assert "Nothing that you sent is lost" in answer.text


def test_unknown_numbers_are_not_answered(app: Flask, settings: dict[str, str], clock: Clock) -> None:
    """Toll fraud: an answer to a stranger costs money. There is none."""
    from integration_app.providers import registry
    from integration_app.providers.base import SampleMessage

    spec = registry.for_channel("sms")
    assert spec.sender is not None
    sample = SampleMessage(sender="+15550009876", to="", text="LINK-AAAAAA")
    made = spec.sender(settings).build_request(sample, settings["PUBLIC_BASE_URL"], clock())
    answer = app.test_client().post(made.path, data=made.body, headers=dict(made.headers))
    assert answer.status_code == 200
    assert "<Message" not in answer.text


# --- what an attack on the pages has found ------------------------------------------------------------------


def test_the_old_address_is_erased_with_the_rest(
    app: Flask, services: Services, sandbox: SandboxControl, redis: Redis
) -> None:
    browser = sign_in(app, sandbox, "leaver-uid")
    old = services.installations.tokens("leaver-uid")[0]
    for _ in range(3):
        browser.get("/me")
        browser.post("/me/new-address")
    assert len(services.installations.tokens("leaver-uid")) == 4
    assert services.installations.with_inbox([old]) == ["leaver-uid"]
    browser.get("/me")
    browser.post("/me/erase", sure="yes")
    assert services.installations.with_inbox([old]) == []
    assert [key for key in redis.scan_iter("*") if "leaver-uid" in _everything(redis, str(key))] == []


def test_a_link_code_from_before_an_erasure_brings_nobody_back(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    browser = sign_in(app, sandbox, "u")
    code = made_code(browser)
    browser.post("/me/erase", sure="yes")
    sent_from(PHONE, services, code)
    assert services.installations.get("u") is None


def test_what_comes_late_behind_an_erasure_makes_no_half_installation(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock, redis: Redis
) -> None:
    sign_in(app, sandbox, "u")
    services.erasure.erase("u")
    services.installations.mark_left("u", now=clock())
    services.installations.mark_enabled("u")
    services.installations.new_inbox("u", keep=timedelta(hours=1))
    services.installations.prefer("u", Preferences(paused=True))
    assert services.installations.get("u") is None
    assert redis.exists(keys.installation("u")) == 0
    sign_in(app, sandbox, "u")
    assert services.installations.get("u") is not None


def test_one_caller_cannot_use_up_the_codes_of_others(build: Callable[..., Services], sandbox: SandboxControl) -> None:
    app = create_app(build(LOGIN_CODES_PER_HOUR="3"))
    sandbox.enable("attacker", "victim")
    attacker = Browser(app, "192.0.2.66")
    for uid in ("attacker",) * 3 + ("victim",) * 6:
        attacker.get(f"/setup?uid={uid}")
        attacker.post("/setup/code", uid=uid)
    victim = Browser(app, "192.0.2.10")
    victim.get("/setup?uid=victim")
    victim.post("/setup/code", uid="victim")
    assert "six digits" in victim.page


def test_a_network_of_ipv6_is_one_caller(build: Callable[..., Services], sandbox: SandboxControl) -> None:
    app = create_app(build(LOGIN_CODES_PER_HOUR="1"))
    sandbox.enable("a", "b")
    for uid, address in (("a", "2001:db8::1"), ("b", "2001:db8::ffff:2")):
        browser = Browser(app, address)
        browser.get(f"/setup?uid={uid}")
        browser.post("/setup/code", uid=uid)
    assert sandbox._get("/notifications", uid="b")["notifications"] == []


def test_the_export_names_nobody_else(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "me-uid")
    link(services, "me-uid", "other-uid")
    text(services, "For both.")
    assert "other-uid" not in browser.get("/me/export").text


def test_what_others_keep_still_expires_after_an_erasure(
    services: Services, sandbox: SandboxControl, clock: Clock, redis: Redis
) -> None:
    sandbox.enable("leaver", "stayer")
    link(services, "leaver", "stayer")
    both_done = text(services, "both have it")
    run_to_rest(services, clock)
    services.installations.prefer("leaver", Preferences(paused=True))
    clock.pass_time(hours=1)
    one_waits = text(services, "one of them waits")
    run_to_rest(services, clock, within=timedelta(minutes=30))
    assert state(services, one_waits, "stayer") == "done"
    assert redis.ttl(keys.message(one_waits)) == -1
    services.erasure.erase("leaver")
    for message_id in (both_done, one_waits):
        assert redis.ttl(keys.message(message_id)) > 0
        assert redis.ttl(keys.story(message_id)) > 0
        assert state(services, message_id, "stayer") == "done"


def test_an_erased_address_is_gone_from_what_others_keep(
    services: Services, clock: Clock, redis: Redis, settings: dict[str, str]
) -> None:
    tokens = [services.installations.add(uid, now=clock()).inbox_token for uid in ("leaver", "stayer")]
    shared = text(
        services, "To both.", sender="ana@example.com", channel="email", route=Route.RECIPIENT,
        recipients=tuple(f"{token}@in.example.com" for token in tokens),
    )  # fmt: skip
    services.erasure.erase("leaver")
    kept = _everything(redis, keys.message(shared))
    assert tokens[0] not in kept
    assert tokens[1] in kept


def test_more_messages_than_are_listed_are_erased_too(
    services: Services, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integration_app.store.inbox.LISTED_MAX", 5)
    link(services, "leaver-uid")
    for number in range(12):
        text(services, f"text {number}")
    services.erasure.erase("leaver-uid")
    assert [key for key in redis.scan_iter("*") if "leaver-uid" in _everything(redis, str(key))] == []


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


def test_a_session_that_ends_meanwhile_stays_ended(services: Services, clock: Clock, redis: Redis) -> None:
    services.installations.add("u", now=clock())
    key = services.auth.sessions.begin("u", "phone", now=clock())
    clock.pass_time(hours=1)
    touch = services.auth.sessions._touch
    touch(sessions=keys.sessions("u"), id="0" * 40, row="{}")
    assert redis.hlen(keys.sessions("u")) == 1
    services.auth.sessions.end_all("u")
    touch(sessions=keys.sessions("u"), id=services.auth.sessions.id_of("u", key), row="{}")
    assert redis.exists(keys.sessions("u")) == 0


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


def test_what_an_earlier_release_kept_of_preferences_is_read(services: Services) -> None:
    services.installations.add("u", now=services.clock())
    services.installations.prefer("u", Preferences(language="pt"))
    found = services.installations.get("u")
    assert found is not None
    assert found.preferences.tell == "nothing"
