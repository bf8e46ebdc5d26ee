"""Sessions and forms: fixed, copied, tampered, of another site, ended elsewhere."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Content, Route
from integration_app.store import keys
from tests.conftest import Clock
from tests.integration.helpers import run_to_rest, text
from tests.integration.web_client import Browser
from tests.people.helpers import code_for, is_signed_in, sign_in
from tests.sandbox_control import SandboxControl


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
