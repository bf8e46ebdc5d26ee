"""Proving an account: a code that comes through Omi, and everybody who would guess, ask or forge."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from integration_app.bootstrap import Services
from integration_app.store import keys
from integration_app.web.app import create_app
from integration_app.web.security import caller
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, text
from tests.integration.web_client import Browser
from tests.people.helpers import code_for, is_signed_in, sign_in, wrong
from tests.sandbox_control import SandboxControl


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


def test_the_home_of_another_uid_is_not_mine(app: Flask, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "a")
    assert browser.get("/?uid=b").status_code == 200
    assert browser.get("/?uid=a").status_code == browser.get("/").status_code == 303


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
