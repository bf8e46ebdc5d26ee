"""After a gap, look before you send: a store that lost its newest writes forgets deliveries that Omi has.

What was accepted in an earlier epoch of the store is looked up in Omi before its first send in this one, message by
message: the delivery of before may have been another group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from integration_app.model import Held, Kind, WaitingMessage
from integration_app.pipeline.delivery.compose import action_of, block, fingerprint
from integration_app.pipeline.delivery.destinations import Destination
from integration_app.pipeline.delivery.group import Group, is_long, lane_of
from integration_app.pipeline.delivery.prepare import said_at
from integration_app.store.due import Lease
from integration_app.store.inbox import Inbox

_AROUND = timedelta(minutes=1)
_SEQ_TURN = 1_000_000
"""A conversation's microseconds are the number of its first message, modulo this."""


def suspects(waiting: Iterable[WaitingMessage], epoch: int, omi: Destination) -> list[WaitingMessage]:
    """What may be in Omi although nothing here says so. What can be sent twice without harm is none."""
    return [
        item
        for item in waiting
        if item.epoch < epoch
        and item.prepared is not None
        and not omi.repeatable(item.prepared.kind, long=is_long(item.prepared))
    ]


class LookBack:
    def __init__(self, inbox: Inbox, omi: Destination) -> None:
        self._inbox = inbox
        self._omi = omi

    def found(
        self, uid: str, items: Sequence[WaitingMessage], until: datetime
    ) -> tuple[list[WaitingMessage], list[WaitingMessage]]:
        """Those of `items` that Omi holds, and those of which it may hold what it made of them: their memories carry no
        words of ours, so whatever this app made between their arrival and `until` may be theirs. One read for each
        kind. Raises `OmiError`.
        """
        there: list[WaitingMessage] = []
        unclear: list[WaitingMessage] = []
        for kind in Kind:
            mine = [item for item in items if item.prepared is not None and item.prepared.kind is kind]
            if not mine:
                continue
            if kind is Kind.MEMORIES:
                since = min(item.message.received_at for item in mine) - _AROUND
                newest = max((row.started_at for row in self._omi.held(uid, kind, since, until)), default=since)
                unclear += [item for item in mine if item.message.received_at - _AROUND < newest]
                continue
            times = [said_at(item.message, item.prepared) for item in mine]
            held = self._omi.held(uid, kind, min(times) - _AROUND, max(times) + _AROUND)
            there += matches(mine, self._unaccounted(uid, held, mine[-1].seq))
        return there, unclear

    def checked(self, lease: Lease, items: Sequence[WaitingMessage], epoch: int) -> None:
        """Not in this user's Omi: they need no other look in this epoch. Raises `LeaseLost`."""
        self._inbox.looked(lease, [item.id for item in items], epoch)

    def _unaccounted(self, uid: str, held: Iterable[Held], newest: int) -> list[Held]:
        """Without the conversations of which the store knows that they were delivered."""
        rows = list(held)
        numbers = {seq for row in rows for seq in range(row.started_at.microsecond, newest + 1, _SEQ_TURN)}
        done = self._inbox.done_of(uid, sorted(numbers))
        known = {seq % _SEQ_TURN for seq in done}
        return [row for row in rows if row.started_at.microsecond not in known]


def matches(items: Sequence[WaitingMessage], held: Sequence[Held]) -> list[WaitingMessage]:
    """The messages that these conversations hold: one that began a conversation, or whose block stands in its text. A
    block is matched once, so two equal texts need two.
    """
    there: list[WaitingMessage] = []
    left = list(items)
    for row in held:
        text = f"\n\n{row.text or ''}\n\n"
        first: WaitingMessage | None = None
        for item in list(left):
            piece = f"\n\n{_piece(item)}\n\n"
            begins = _begins(item, row.started_at)
            if piece in text:
                text = text.replace(piece, "\n\n\0\n\n", 1)
            elif not begins and not (first and _goes_on(first, item, row)):
                continue
            first = item if begins else first
            left.remove(item)
            there.append(item)
    return there


def _piece(item: WaitingMessage) -> str:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are looked up
    return action_of(item) if item.prepared.kind is Kind.TASKS else block(item)


def _goes_on(first: WaitingMessage, item: WaitingMessage, row: Held) -> bool:
    """Whether it was said within a conversation whose text Omi does not give."""
    if row.text or lane_of(first) != lane_of(item) or first.message.channel == "email":  # a mail goes alone
        return False
    said = said_at(item.message, item.prepared)
    return bool(row.finished_at and row.started_at.replace(microsecond=0) <= said <= row.finished_at)


def _begins(item: WaitingMessage, started_at: datetime) -> bool:
    mine = fingerprint(Group(lane_of(item), (item,), started_at))
    return started_at in (mine, mine.replace(microsecond=mine.microsecond // 1000 * 1000))
