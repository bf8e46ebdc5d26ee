"""Which messages leave together, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from integration_app.model import Content, Kind, Route
from integration_app.pipeline.delivery.group import plan
from integration_app.pipeline.rules import Rules
from tests.unit.factories import NOW, message, texts, waiting

RULES = Rules(sms_quiet=timedelta(seconds=20), sms_max_wait=timedelta(seconds=180))


def seconds(moment: object) -> float:
    return (moment - NOW).total_seconds()  # type: ignore[operator, no-any-return]


def test_texts_within_the_quiet_window_are_one_group_closing_after_it() -> None:
    (group,) = plan(texts("a", "b", "c", gap=10), {}, RULES)
    assert [item.seq for item in group.messages] == [1, 2, 3]
    assert seconds(group.closes_at) == 40


def test_a_pause_longer_than_the_window_begins_a_new_group() -> None:
    first, second = plan(texts("a", "b", gap=21), {}, RULES)
    assert (seconds(first.closes_at), seconds(second.closes_at)) == (20, 41)


def test_somebody_who_never_stops_texting_is_not_kept_waiting_for_ever() -> None:
    groups = plan(texts(*"abcdefghijklmno", gap=15), {}, RULES)
    assert seconds(groups[0].closes_at) == 180
    assert len(groups[0].messages) == 13


def test_mails_wait_for_their_own_quiet_window() -> None:
    mails = [waiting(n, message("x", at=n, channel="email", route=Route.RECIPIENT)) for n in (1, 61, 200)]
    first, second = plan(mails, {}, RULES)
    assert (len(first.messages), seconds(first.closes_at)) == (2, 151)
    assert (len(second.messages), seconds(second.closes_at)) == (1, 290)
    alone = replace(RULES, mail_quiet=timedelta(0))
    assert [seconds(group.closes_at) for group in plan(mails, {}, alone)] == [1, 61, 200]


def test_mails_leave_after_ten_minutes_at_the_latest() -> None:
    mails = [waiting(n, message("x", at=60 * n, channel="email", route=Route.RECIPIENT)) for n in range(1, 30)]
    assert seconds(plan(mails, {}, RULES)[0].closes_at) == 660


def test_memories_wait_for_their_own_quiet_window() -> None:
    items = [waiting(1, message("remember: a", at=0)), waiting(2, message("b", at=1))]
    memory, conversation = plan(items, {}, RULES)
    assert (memory.lane.kind, seconds(memory.closes_at)) == (Kind.MEMORIES, 90)
    assert (conversation.lane.kind, seconds(conversation.closes_at)) == (Kind.CONVERSATION, 21)
    at_once = plan(items, {}, replace(RULES, memory_quiet=timedelta(0)))
    assert seconds(at_once[0].closes_at) == 0


def test_what_waits_behind_a_closed_gate_grows_into_one_group() -> None:
    gate = NOW + timedelta(hours=1)
    (group,) = plan(texts(*"abcdefgh", gap=400), {Kind.CONVERSATION: gate}, RULES)
    assert len(group.messages) == 8
    assert group.closes_at == gate


def test_mails_of_one_sender_join_behind_a_closed_gate_too() -> None:
    gate = {Kind.CONVERSATION: NOW + timedelta(hours=1)}
    mails = [waiting(n, message("x", at=n, channel="email", sender="a@example.com")) for n in (1, 2)]
    assert len(plan(mails, gate, RULES)) == 1


def test_an_old_gate_does_not_hold_up_what_came_after_it() -> None:
    gate = {Kind.CONVERSATION: NOW - timedelta(seconds=5)}
    (group,) = plan(texts("a"), gate, RULES)
    assert seconds(group.closes_at) == 20


def test_another_kinds_gate_is_none_of_its_business() -> None:
    (group,) = plan(texts("a"), {Kind.MEMORIES: NOW + timedelta(hours=1)}, RULES)
    assert seconds(group.closes_at) == 20


def test_senders_and_channels_are_not_mixed() -> None:
    items = [
        waiting(1, message("a", at=0)),
        waiting(2, message("b", at=1, sender="+15550002222")),
        waiting(3, message("c", at=2, channel="whatsapp")),
    ]
    assert [[item.seq for item in group.messages] for group in plan(items, {}, RULES)] == [[1], [2], [3]]


def test_a_group_stays_within_what_omi_takes() -> None:
    big = "x" * 60_000
    first, second = plan(texts(big, big), {}, RULES)
    assert (len(first.messages), len(second.messages)) == (1, 1)


def test_a_group_spans_a_day_at_the_most() -> None:
    gate = {Kind.CONVERSATION: NOW + timedelta(days=3)}
    groups = plan(texts("a", "b", "c", gap=20 * 3600), gate, RULES)
    assert [len(group.messages) for group in groups] == [2, 1]


def test_order_is_the_order_of_arrival_whatever_the_clock_said() -> None:
    items = [waiting(2, message("later", at=0)), waiting(1, message("earlier", at=5))]
    (group,) = plan(items, {}, RULES)
    assert [item.seq for item in group.messages] == [1, 2]
    assert group.closes_at >= NOW


def test_an_empty_outbox_has_no_groups() -> None:
    assert plan([], {}, RULES) == ()


def test_content_is_not_needed_any_more() -> None:
    item = waiting(1, message("a"))
    bare = waiting(1, message(content=Content()), item.prepared)
    assert plan([bare], {}, RULES)[0].messages == (bare,)
