"""What a new state, event or reason needs, so that no place is forgotten."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from integration_app.model import DeliveryState, MessageState, Reason, lifecycle, read_event
from integration_app.operations.events import sentences
from integration_app.store import stories

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
EVENTS = get_args(lifecycle.AnyEvent)
FILLED: dict[str, Any] = {
    "uid": "u", "status": 200, "seconds": 0.5, "until": AT, "tried_at": AT, "uids": ("u",), "at": AT,
    "trust": {"u": {"level": "allowed", "why": ["x"]}}, "state": DeliveryState.UNKNOWN, "raw": {"event": "x", "at": "y"},
}  # fmt: skip


def filled(kind: type[Any]) -> Any:
    return kind(**{row.name: FILLED.get(row.name, "x") for row in fields(kind)})


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_is_told_and_comes_back_as_it_was(kind: type[Any]) -> None:
    event = filled(kind)
    assert all(sentences(event))
    assert all(sentences(kind(at=AT))), "nothing but a time is needed to tell it"
    if kind is not lifecycle.Unknown:
        assert stories.load(stories.dump(event), ["u"]) == event


@pytest.mark.parametrize(
    "raw",
    [{}, {"event": "invented", "at": "2026-11-20T08:00:00+00:00"}, {"event": "done"}, {"event": "part", "at": 7}],
)
def test_an_event_of_another_version_is_told_and_not_an_error(raw: dict[str, Any]) -> None:
    event = read_event(raw)
    assert isinstance(event, lifecycle.Unknown)
    assert sentences(event)


def test_a_field_that_is_not_known_is_left_out() -> None:
    raw = {"event": "text shown", "at": "2026-11-20T08:00:00+00:00", "uid": None, "by": "x", "colour": "red"}
    assert read_event(raw) == lifecycle.TextShown(at=AT, by="x")


@pytest.mark.parametrize("state", MessageState)
def test_every_state_has_its_transitions(state: MessageState) -> None:
    assert state in lifecycle.TRANSITIONS
    assert state.is_final or lifecycle.TRANSITIONS[state], "what is not final leads somewhere"


def test_deliveries_move_messages_only_as_allowed() -> None:
    for delivery in DeliveryState:
        after = delivery.message_state
        assert after is MessageState.SENDING or after in lifecycle.TRANSITIONS[MessageState.SENDING]


def test_the_least_finished_state_is_that_of_the_whole() -> None:
    assert lifecycle.overall({"a": MessageState.DONE, "b": MessageState.WAITING}, None) == "waiting"
    assert lifecycle.overall({"a": MessageState.DONE, "b": MessageState.PARKED}, None) == "parked"
    assert lifecycle.overall({}, "STOP") == "recorded"


def test_reasons_are_read_by_key_and_by_the_sentence_of_earlier_versions() -> None:
    for reason in Reason:
        assert Reason.read(reason.key) is reason
        assert reason is Reason.OTHER or (reason.sentence and reason.label)
    assert Reason.read(None, "Omi's rate limit") is Reason.RATE_LIMIT
    assert Reason.read(None, "whatever an old version said") is Reason.OTHER
    assert len({reason.value for reason in Reason}) == len(list(Reason)), "an alias would swallow a reason"
