"""A user's own rules, their pace, and the hour of their digest."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integration_app.model import (
    Installation,
    InstallationState,
    Kind,
    Preferences,
    PreparedText,
    Then,
    Through,
    UserRule,
    WaitingMessage,
)
from integration_app.pipeline.delivery.for_user import as_user_gets
from integration_app.pipeline.delivery.group import plan
from integration_app.pipeline.delivery.user_rules import first_of, fits, next_daily, paced
from integration_app.pipeline.rules import Rules
from tests.unit.factories import NOW, message

TEXT = PreparedText("Lunch with Mara at noon. Größe 42.", Kind.CONVERSATION)
MAIL = PreparedText("See you", Kind.CONVERSATION, head="From: Ana <ana@shop.example>\nSubject: Your invoice 17")


@pytest.mark.parametrize(
    ("rule", "channel", "sender", "prepared", "expected"),
    [
        (UserRule(Then.DROP, word="mara"), "sms", "+15550001111", TEXT, True),
        (UserRule(Then.DROP, word="mar"), "sms", "+15550001111", TEXT, False),
        (UserRule(Then.DROP, word="größe 42"), "sms", "+15550001111", TEXT, True),
        (UserRule(Then.DROP, word="with Mara"), "whatsapp", "+15550001111", TEXT, True),
        (UserRule(Then.DROP, word=".*"), "sms", "+15550001111", TEXT, False),
        (UserRule(Then.DROP, word="invoice"), "email", "ana@shop.example", MAIL, True),
        (UserRule(Then.DROP, Through.TEXT), "sms", "+15550001111", TEXT, True),
        (UserRule(Then.DROP, Through.TEXT), "email", "ana@shop.example", MAIL, False),
        (UserRule(Then.DROP, Through.MAIL), "email", "ana@shop.example", MAIL, True),
        (UserRule(Then.DROP, sender="Ana@Shop.example"), "email", "ana@shop.example", MAIL, True),
        (UserRule(Then.DROP, sender="@shop.example"), "email", "ana@shop.example", MAIL, True),
        (UserRule(Then.DROP, sender="@example"), "email", "ana@shop.example", MAIL, False),
        (UserRule(Then.DROP, sender="+1 (555) 000-1111"), "sms", "+15550001111", TEXT, True),
        (UserRule(Then.DROP, sender="+1555000111"), "sms", "+15550001111", TEXT, False),
        (UserRule(Then.DROP, Through.MAIL, "@shop.example", "mara"), "email", "ana@shop.example", MAIL, False),
    ],
)
def test_a_rule_fits_where_all_that_it_names_fits(
    rule: UserRule, channel: str, sender: str, prepared: PreparedText, expected: bool
) -> None:
    assert fits(rule, message("x", channel=channel, sender=sender), prepared) is expected


def test_the_first_that_fits_decides() -> None:
    rules = (UserRule(Then.HOLD, word="nothing"), UserRule(Then.MEMORIES, word="lunch"), UserRule(Then.DROP))
    found = first_of(rules, message("x"), TEXT)
    assert found is not None
    assert found.then is Then.MEMORIES


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        ("UTC", "2026-11-20T08:00", "2026-11-20T20:00"),
        ("UTC", "2026-11-20T20:00", "2026-11-21T20:00"),
        ("Asia/Tokyo", "2026-11-20T10:59", "2026-11-20T11:00"),
        ("America/Los_Angeles", "2026-11-20T08:00", "2026-11-21T04:00"),
        ("Europe/Berlin", "2026-03-28T20:00", "2026-03-29T18:00"),  # the clocks go forward in between
        ("Europe/Berlin", "2026-10-24T20:00", "2026-10-25T19:00"),
    ],
)
def test_the_hour_of_a_digest_is_the_users(zone: str, after: str, expected: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert next_daily(moment, 20, ZoneInfo(zone)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def waiting(seq: int, minutes: int, channel: str = "sms", sender: str = "+15550001111") -> WaitingMessage:
    at = NOW + timedelta(minutes=minutes)
    return WaitingMessage(f"m{seq}", seq, message("hi", channel=channel, sender=sender, received_at=at), TEXT)


def test_a_digest_is_one_conversation_a_day_and_channel() -> None:
    wishes = Preferences(daily=True, daily_hour=20)
    items = [
        waiting(1, 0), waiting(2, 200, "email", "a@x.example"), waiting(3, 300), waiting(4, 400, "email", "b@x.example"),
        waiting(5, 26 * 60),
    ]  # fmt: skip
    made = [replace(item, then=Then.DIGEST) for item in items]
    groups = plan(made, {}, paced(Rules(), wishes))
    assert [[item.seq for item in group.messages] for group in groups] == [[1, 3], [2, 4], [5]]
    assert all(group.closes_at.hour == 20 for group in groups)


def test_without_a_rule_the_daily_wish_decides_but_not_for_memories() -> None:
    installation = _user(Preferences(daily=True))
    assert as_user_gets(waiting(1, 0), TEXT, installation, has_tasks=False).then is Then.DIGEST
    memory = replace(TEXT, kind=Kind.MEMORIES, asked=True)
    assert as_user_gets(waiting(1, 0), memory, installation, has_tasks=False).then is None
    soon = _user(Preferences(daily=True, rules=(UserRule(Then.CONVERSATION, word="mara"),)))
    assert as_user_gets(waiting(1, 0), TEXT, soon, has_tasks=False).then is Then.CONVERSATION


def test_what_the_text_asks_for_wins_over_a_rule() -> None:
    rule = _user(Preferences(rules=(UserRule(Then.MEMORIES, Through.TEXT),)))
    made = as_user_gets(waiting(1, 0), replace(TEXT, asked=True), rule, has_tasks=False).prepared
    assert made is not None
    assert made.kind is Kind.CONVERSATION
    made = as_user_gets(waiting(1, 0), TEXT, rule, has_tasks=False).prepared
    assert made is not None
    assert made.kind is Kind.MEMORIES


def test_an_own_quiet_window() -> None:
    rules = paced(Rules(), Preferences(quiet_seconds=3600))
    assert rules.sms_quiet == timedelta(hours=1)
    assert rules.sms_max_wait == timedelta(hours=3)
    assert paced(Rules(), Preferences()) == Rules()


def _user(preferences: Preferences) -> Installation:
    return Installation("u", InstallationState.ENABLED, NOW, "k7qkqkqkqkqkqkqk", preferences=preferences)
