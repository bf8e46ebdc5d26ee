"""What a user's own rules make of messages, through the store and a real drain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from integration_app.bootstrap import Services
from integration_app.model import (
    Installation,
    InstallationState,
    Kind,
    Preferences,
    PreparedText,
    Route,
    Tell,
    Then,
    Through,
    UserRule,
    WaitingMessage,
)
from integration_app.pipeline.delivery.for_user import as_user_gets
from integration_app.pipeline.delivery.user_rules import next_daily
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl
from tests.unit.factories import NOW, message

DROPS = UserRule(Then.DROP, word="spam")
HOLDS = UserRule(Then.HOLD, Through.TEXT, word="later")


@pytest.fixture
def services(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    sandbox.enable("u", "v")
    made = build()
    link(made, "u", "v")
    made.installations.prefer("u", Preferences(rules=(DROPS, HOLDS, UserRule(Then.MEMORIES, word="fact"))))
    return made


def test_each_user_has_their_own(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    dropped, kept = text(services, "some spam here"), text(services, "a fact about bees")
    run_to_rest(services, clock)
    assert (state(services, dropped, "u"), state(services, dropped, "v")) == ("dropped", "done")
    assert (state(services, kept, "u"), state(services, kept, "v")) == ("done", "done")
    assert [row["content"] for row in sandbox.memories("u")] == ["a fact about bees"]
    assert sandbox.texts("u") == []
    assert "a fact about bees" in "".join(sandbox.texts("v"))
    row = next(to for to in services.timeline.latest(limit=5, uid="u")[-1]["recipients"] if to["uid"] == "u")
    assert row["cause"] == "own_rule"


def test_what_is_held_goes_when_its_user_says_so_and_is_not_held_again(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    held, other = text(services, "read this later"), text(services, "and this now")
    run_to_rest(services, clock)
    assert (state(services, held, "u"), state(services, other, "u")) == ("quarantined", "done")
    assert [(row[0], row[1]) for row in services.quarantine.held()] == [(held, "u")]
    assert services.outbox.size("u") == 0
    services.quarantine.release(held, "u", by="the user", now=clock())
    run_to_rest(services, clock)
    assert state(services, held, "u") == "done"
    assert sum("read this later" in said for said in sandbox.texts("u")) == 1


def test_a_rule_that_is_taken_away_holds_nothing_more(services: Services, clock: Clock) -> None:
    services.installations.prefer("u", Preferences())
    message_id = text(services, "read this later")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"


def test_a_day_is_one_conversation(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    services.installations.prefer("u", Preferences(daily=True, daily_hour=20))
    ids = []
    for hours in (1, 2, 3):
        clock.pass_time(hours=hours)
        ids.append(text(services, f"at {hours}"))
        services.drain.run("u")
    assert {state(services, message_id, "u") for message_id in ids} == {"waiting"}
    (waits,) = services.estimates.of("u")
    assert len(waits.message_ids) == 3
    assert waits.at.hour == 20
    run_to_rest(services, clock, within=timedelta(days=2))
    (said,) = sandbox.texts("u")
    assert "at 1" in said
    assert "at 3" in said


LONG = "\n\n".join(f"paragraph {number} " + "words " * 60 for number in range(700))


def test_a_rule_looks_at_the_whole_of_a_long_text(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    services.installations.prefer("v", Preferences())
    message_id = text(services, f"{LONG}\n\nspam at the very end")
    run_to_rest(services, clock)
    assert state(services, message_id, "v") == "done"
    parts = [story for story in services.inbox.latest() if story.id.startswith(message_id)]
    assert len(parts) > 1
    assert {story.states["u"].value for story in parts} == {"dropped"}
    assert sandbox.texts("u") == []


def test_what_was_let_through_is_not_held_in_parts(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.enable("w")
    services = build()
    link(services, "w")
    services.installations.prefer(
        "w", Preferences(senders=("a@b.example",), rules=(UserRule(Then.HOLD, word="words"),))
    )
    token = services.installations.tokens("w")[0]
    held = text(
        services, LONG, channel="email", route=Route.RECIPIENT, sender="x@evil.example",
        recipients=(f"{token}@in.example.com",),
    )  # fmt: skip
    assert state(services, held, "w") == "quarantined"
    services.quarantine.release(held, "w", by="the user", now=clock())
    run_to_rest(services, clock)
    assert {story.states["w"].value for story in services.inbox.of("w")} == {"done"}


def test_a_task_by_rule_keeps_a_subject_and_leaves_long_mail_a_conversation() -> None:
    rule = Preferences(rules=(UserRule(Then.TASKS, Through.MAIL),))
    user = Installation("u", InstallationState.ENABLED, NOW, "k7qkqkqkqkqkqkqk", preferences=rule)

    def made(said: str) -> PreparedText:
        mail = message(said, channel="email", sender="a@b.example")
        prepared = PreparedText(said, Kind.CONVERSATION, head="From: a@b.example\nSubject: Buy milk")
        found = as_user_gets(WaitingMessage("m1", 1, mail), prepared, user, has_tasks=True).prepared
        assert found is not None
        return found

    assert (made("").kind, made("").text) == (Kind.TASKS, "Buy milk")
    assert made("at the corner").text == "Buy milk\nat the corner"
    assert made("x" * 5000).kind is Kind.CONVERSATION
    assert made("x" * 5000).head


def test_a_sender_called_digest_is_no_digest(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    services.installations.prefer("u", Preferences())
    message_id = text(services, "hello", channel="email", route=Route.UID, recipients=("u",), sender="digest")
    services.drain.run("u")
    assert state(services, message_id, "u") == "done"


def test_once_a_day_users_are_told_how_many_arrived(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    services.installations.prefer("u", Preferences(tell=Tell.DAILY, daily_hour=20, time_zone="Europe/Lisbon"))
    for number in range(3):
        text(services, f"text {number}")
        run_to_rest(services, clock)
    services.phones.tell()
    assert sandbox.notifications("u") == []
    clock.now = next_daily(clock(), 20, ZoneInfo("Europe/Lisbon"))
    for _ in range(2):
        services.phones.tell()
    assert [row["message"] for row in sandbox.notifications("u")] == ["Today 3 messages arrived in your Omi."]
    clock.pass_time(days=1)
    services.phones.tell()
    assert len(sandbox.notifications("u")) == 1, "nothing arrived since"
