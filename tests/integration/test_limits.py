"""What one user may have: of one sender, in a day, in bytes; others go on, and the user is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import OverLimit
from integration_app.model import Content, Evidence, Hints, Preferences, Route
from integration_app.store import keys
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl

OTHER = "+15550002222"


@pytest.fixture
def limited(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    sandbox.enable("u", "v")
    sandbox.boost(1000)
    services = build(SENDER_MESSAGES_PER_MINUTE="5", USER_MESSAGES_PER_DAY="12", USER_MAX_MB="1")
    link(services, "u")
    services.installations.add("v", now=services.clock())
    services.installations.link_phone("v", OTHER)
    return services


def refused(services: Services, words: str = "x", **more: object) -> None:
    with pytest.raises(OverLimit):
        text(services, words, **more)


def load(redis: Redis, uid: str = "u") -> dict[str, int]:
    return {str(name): int(value) for name, value in redis.hgetall(keys.load(uid)).items()}


def test_one_sender_has_so_many_in_a_minute_and_others_go_on(
    limited: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    for number in range(5):
        text(limited, f"w{number}")
    refused(limited)
    text(limited, "another phone", sender=OTHER)
    clock.pass_time(seconds=60)
    text(limited, "a minute later")
    run_to_rest(limited, clock)
    assert "a minute later" in "".join(sandbox.texts("u"))
    assert sandbox.texts("v") == ["Me: another phone"]


def test_a_duplicate_of_what_is_known_is_no_new_message(limited: Services) -> None:
    for _ in range(20):
        text(limited, "same", dedupe_keys=("same",))


def test_a_day_has_an_end(limited: Services, clock: Clock) -> None:
    for number in range(12):
        text(limited, f"w{number}")
        clock.pass_time(seconds=61)
    refused(limited)
    clock.pass_time(days=1)
    text(limited, "tomorrow")


def test_a_message_for_two_is_for_both_or_for_neither(limited: Services, clock: Clock) -> None:
    """Else the dedupe key would keep it from the one who was left out, for ever."""
    limited.installations.link_phone("v", "+15550009876")
    limited.installations.link_phone("u", "+15550009876")
    for number in range(12):
        clock.pass_time(seconds=61)
        text(limited, f"m{number}")
    refused(limited)
    both = text(limited, "for both", sender="+15550009876")
    story = limited.inbox.story(both)
    assert story is not None
    assert sorted(story.states) == ["u", "v"]


def test_mail_of_strangers_keeps_out_no_text_of_ones_own(limited: Services, clock: Clock) -> None:
    limited.installations.prefer("u", Preferences(senders=("ana@example.com",)))
    (token,) = limited.installations.tokens("u")
    mail = {"channel": "email", "route": Route.RECIPIENT, "recipients": (f"{token}@in.example.com",)}
    kept = 0
    for number in range(20):
        try:
            text(limited, "spam", sender=f"x{number}@evil.example", **mail)
            kept += 1
        except OverLimit:
            pass
    assert kept == 3, "a quarter of a day's"
    text(limited, "my own")


def test_what_is_weighed_is_counted_anew_once_a_day(limited: Services, redis: Redis, clock: Clock) -> None:
    text(limited, "waits")
    redis.hset(keys.load("u"), mapping={"bytes": 10**9, "held": -5})
    limited.retention.sweep(clock())
    assert load(redis) == {"bytes": 2000, "held": 0}
    redis.hset(keys.load("u"), "held", 7)
    limited.retention.sweep(clock())
    assert load(redis)["held"] == 7, "but not each time"


def test_bytes_that_wait_are_bounded_and_free_again_when_delivered(
    limited: Services, redis: Redis, sandbox: SandboxControl, clock: Clock
) -> None:
    big = "y" * 300_000
    limited.installations.prefer("u", Preferences(paused=True, paused_at=clock()))
    for _ in range(3):
        clock.pass_time(seconds=61)
        text(limited, big)
    clock.pass_time(seconds=61)
    refused(limited, big)
    assert 900_000 < load(redis)["bytes"] < 1_000_000
    limited.installations.prefer("u", Preferences())
    limited.due.set("u", clock())
    run_to_rest(limited, clock)
    assert load(redis)["bytes"] == 0
    assert limited.outbox.refused("u", now=clock()) == 1
    text(limited, big)


def test_held_mail_has_a_quarter_and_keeps_no_genuine_one_out(limited: Services, redis: Redis, clock: Clock) -> None:
    limited.installations.prefer("u", Preferences(senders=("ana@example.com",)))
    (token,) = limited.installations.tokens("u")
    mail = {"channel": "email", "route": Route.RECIPIENT, "recipients": (f"{token}@in.example.com",)}
    held = text(limited, "z" * 200_000, sender="evil@example.org", **mail)
    clock.pass_time(seconds=61)
    refused(limited, "z" * 200_000, sender="evil@example.org", **mail)
    genuine = text(limited, "hello", sender="ana@example.com", evidence=Evidence(dmarc="pass"), **mail)
    assert (state(limited, held, "u"), state(limited, genuine, "u")) == ("quarantined", "waiting")
    limited.quarantine.drop(held, "u", why="test", now=clock())
    assert load(redis)["held"] == 0
    again = text(limited, "z" * 200_000, sender="evil@example.org", **mail)
    limited.quarantine.release(again, "u", by="test", now=clock())
    assert load(redis)["held"] == 0
    assert load(redis)["bytes"] > 200_000


def test_a_replayed_one_counts_again_and_an_erased_user_leaves_no_count(
    limited: Services, redis: Redis, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.app(actions=["create_conversation"])  # the outcome cannot be read back, so it is parked
    sandbox.fault("error_after", route="create_conversation", times=1)
    text(limited, "parked")
    run_to_rest(limited, clock)
    assert load(redis)["bytes"] == 0
    ((delivery, _),) = limited.dead_letters.list()
    limited.replays.one(delivery.id, by="test")
    assert load(redis)["bytes"] > 0
    limited.erasure.erase("u")
    assert not [key for key in redis.scan_iter("*") if ":load:" in str(key) or ":day:" in str(key)]


def test_fifty_thousand_texts_of_one_phone_are_bounded(limited: Services, redis: Redis, clock: Clock) -> None:
    """Two thousand here; what is refused costs nothing but a count."""
    before = redis.dbsize()
    kept = 0
    for number in range(2000):
        try:
            text(limited, f"w{number}")
            kept += 1
        except OverLimit:
            pass
    assert kept == 5
    assert redis.dbsize() - before < 40
    text(limited, "of another", sender=OTHER)


def test_a_pause_ends_by_itself_and_the_user_is_told(limited: Services, sandbox: SandboxControl, clock: Clock) -> None:
    for since in (clock(), None):  # None: paused by an earlier version
        limited.installations.prefer("u", Preferences(paused=True, paused_at=since))
        message_id = text(limited, f"waits {since}")
        clock.pass_time(seconds=30)
        limited.drain.run("u")
        assert state(limited, message_id, "u") == "waiting"
        clock.pass_time(days=29)
        limited.drain.run("u")
        assert state(limited, message_id, "u") == "waiting"
        clock.pass_time(days=2)
        run_to_rest(limited, clock)
        assert state(limited, message_id, "u") == "done"
        installation = limited.installations.get("u")
        assert installation is not None
        assert not installation.preferences.paused
    assert len([row for row in sandbox.notifications("u") if "paused for so long" in row["message"]]) == 2


def test_no_limit_is_a_setting(build: Callable[..., Services], clock: Clock) -> None:
    services = build(SENDER_MESSAGES_PER_MINUTE="0", USER_MESSAGES_PER_DAY="0", USER_MAX_MB="0")
    link(services, "u")
    for number in range(60):
        text(services, f"w{number}")


def test_an_event_signed_with_a_key_of_ours_is_not_limited_by_sender(limited: Services) -> None:
    for number in range(8):
        text(limited, f"w{number}", hints=Hints(), content=Content(text=f"w{number}"))
