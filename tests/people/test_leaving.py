"""Another's data, pausing, exporting, leaving: nothing of the one, everything of the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Preferences, Route
from integration_app.store import keys
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.integration.web_client import Browser
from tests.people.helpers import OTHER_PHONE, PHONE, is_signed_in, made_code, sent_from, sign_in
from tests.sandbox_control import SandboxControl


def test_whoever_left_long_ago_is_erased(services: Services, clock: Clock, redis: Redis) -> None:
    link(services, "leaver-uid")
    services.installations.mark_left("leaver-uid", now=clock())
    clock.pass_time(days=29)
    services.retention.sweep(clock())
    assert services.installations.get("leaver-uid") is not None
    clock.pass_time(days=2)
    services.retention.sweep(clock())
    assert [key for key in redis.scan_iter("*") if "leaver-uid" in _everything(redis, str(key))] == []


def test_an_erased_account_leaves_no_waiting_link(services: Services, redis: Redis, shared: str) -> None:
    services.erasure.erase("mallory")
    assert not redis.exists(keys.PROVISIONAL)


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


def test_what_an_earlier_release_kept_of_preferences_is_read(services: Services) -> None:
    services.installations.add("u", now=services.clock())
    services.installations.prefer("u", Preferences(language="pt"))
    found = services.installations.get("u")
    assert found is not None
    assert found.preferences.tell == "nothing"
