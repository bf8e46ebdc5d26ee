"""Which waiting messages leave together, and when. Pure.

Texts of one sender, and mails, wait for a quiet window, but no longer than a maximum; a digest waits for its hour. What
waits behind a closed gate grows into one group instead of queueing up, because Omi counts calls, not words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_app.model import Kind, Lane, PreparedText, Then, WaitingMessage
from integration_app.model.imports import IMPORT
from integration_app.model.messages import CHAT_CHANNELS
from integration_app.omi import CONVERSATION_TEXT_MAX, MEMORY_CONTENT_MAX
from integration_app.pipeline.delivery.user_rules import next_daily
from integration_app.pipeline.rules import Rules

DIGEST = "\ndigest"
"""In the place of a sender, as none can be: the day's messages of a channel, from whomever."""

_BLOCK_OVERHEAD = 50
"""Characters that a block may add to its text and head: a speaker's name, blank lines."""


@dataclass(frozen=True, slots=True)
class Group:
    """Messages of one lane in the order of arrival; complete at `closes_at`."""

    lane: Lane
    messages: tuple[WaitingMessage, ...]
    closes_at: datetime


def is_long(prepared: PreparedText) -> bool:
    """A text meant as memories that does not fit one: Omi takes the facts out of it itself, so it goes alone."""
    return prepared.kind is Kind.MEMORIES and len(prepared.text) > MEMORY_CONTENT_MAX


def wait_for(channel: str, kind: Kind, rules: Rules) -> tuple[timedelta, timedelta]:
    """The quiet window and the maximum wait of a lane."""
    if channel in CHAT_CHANNELS and kind is Kind.CONVERSATION:
        return rules.sms_quiet, rules.sms_max_wait
    if channel in CHAT_CHANNELS and kind is Kind.MEMORIES:
        return rules.memory_quiet, max(rules.sms_max_wait, rules.memory_quiet)
    if channel == "email" and kind is not Kind.TASKS:
        return rules.mail_quiet, rules.mail_max_wait
    if channel == "call" and kind is Kind.CONVERSATION:
        return rules.call_quiet, rules.call_max_wait
    return timedelta(0), timedelta(0)


def plan(waiting: Iterable[WaitingMessage], gates: Mapping[Kind, datetime], rules: Rules) -> tuple[Group, ...]:
    """Group prepared messages, in the order in which the groups begin.

    `gates` holds, per kind, until when nothing may leave (lately opened gates too: what they held up belongs
    together).
    """
    growing: dict[Lane, _Growing] = {}
    closed: list[_Growing] = []
    for message in sorted(waiting, key=lambda item: item.seq):
        lane = lane_of(message)
        group = growing.get(lane)
        if group is None or not group.takes(message):
            if group is not None:
                closed.append(group)
            group = growing[lane] = _Growing(lane, gates.get(lane.kind), rules)
        group.add(message)
    groups = [*closed, *growing.values()]
    groups.sort(key=lambda item: item.messages[0].seq)
    return tuple(Group(item.lane, tuple(item.messages), item.closes_at()) for item in groups)


def lane_of(message: WaitingMessage) -> Lane:
    assert message.prepared is not None  # noqa: S101 - only prepared messages are grouped
    sender = message.message.sender
    if message.message.hints and not (message.message.channel == IMPORT and message.prepared.kind is Kind.MEMORIES):
        sender = f"{sender}:{message.id}"  # an event that describes itself is never joined with another
    elif message.then is Then.DIGEST:
        sender = DIGEST
    return Lane(message.message.channel, sender, message.prepared.kind)


class _Growing:
    def __init__(self, lane: Lane, gate: datetime | None, rules: Rules) -> None:
        self.lane = lane
        self.messages: list[WaitingMessage] = []
        self._gate = gate
        self._quiet, self._longest = wait_for(lane.channel, lane.kind, rules)
        self._rules = rules
        self._size = 0

    def add(self, message: WaitingMessage) -> None:
        self.messages.append(message)
        self._size += _size(message)

    def takes(self, message: WaitingMessage) -> bool:
        arrived = message.message.received_at
        return (
            arrived <= self.closes_at()
            and arrived - self._first <= self._rules.group_span
            and self._size + _size(message) <= CONVERSATION_TEXT_MAX
            and not any(item.prepared and is_long(item.prepared) for item in (message, self.messages[-1]))
        )

    def closes_at(self) -> datetime:
        last = max(item.message.received_at for item in self.messages)
        natural = min(last + self._quiet, self._first + self._longest)
        if self.lane.sender == DIGEST:
            natural = next_daily(self._first, self._rules.daily_hour, self._rules.zone)
        if self._gate is not None and self._first < self._gate:
            return max(natural, self._gate)
        return max(natural, self._first)

    @property
    def _first(self) -> datetime:
        return self.messages[0].message.received_at


def _size(message: WaitingMessage) -> int:
    prepared = message.prepared
    return _BLOCK_OVERHEAD + (len(prepared.text) + len(prepared.head or "") if prepared else 0)
