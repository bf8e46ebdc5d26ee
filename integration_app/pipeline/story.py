"""One story per message, for a human and for JSON: what it is, where it stands, why it waits, what was tried.

Never carries the text.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integration_app.logs import masked
from integration_app.model import Clock, MessageState, Story
from integration_app.store.due import DueSet
from integration_app.store.gates import Gates
from integration_app.store.inbox import Inbox


class Stories:
    def __init__(self, *, inbox: Inbox, gates: Gates, due: DueSet, clock: Clock) -> None:
        self._inbox = inbox
        self._gates = gates
        self._due = due
        self._clock = clock

    def show(self, message_id: str) -> dict[str, Any] | None:
        """The whole story of one message, None when there is no such message."""
        story = self._inbox.story(message_id)
        return self._tell(story) | {"events": list(story.events)} if story else None

    def latest(self, *, limit: int, uid: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """The newest messages, one row each, of one uid and in one state where asked."""
        rows = []
        for story in self._inbox.latest(self._inbox.count() if uid or state else limit):
            if uid and uid not in story.states:
                continue
            states = [story.states[uid]] if uid else story.states.values()
            if state and state not in states:
                continue
            rows.append(self._tell(story))
            if len(rows) >= limit:
                break
        return rows

    def _tell(self, story: Story) -> dict[str, Any]:
        message = story.message
        return {
            "id": story.id,
            "provider": message.provider,
            "event_id": message.event_id,
            "channel": message.channel,
            "sender": masked(message.sender),
            "received_at": message.received_at.isoformat(),
            "state": _overall(story.states, message.control),
            "recipients": [
                {"uid": uid, "state": state} | self._waiting(uid, state) for uid, state in story.states.items()
            ],
        }

    def _waiting(self, uid: str, state: str) -> dict[str, Any]:
        """Why a message waits, and until when somebody will look again."""
        if state not in (MessageState.WAITING, MessageState.SENDING):
            return {}
        now = self._clock()
        closed = [gate for gate in self._gates.of(uid).values() if gate.until > now]
        due = self._due.at(uid)
        why = "its turn has not come"
        if state == MessageState.SENDING:
            why = "outcome unknown: Omi will be read before anything is sent again"
        elif closed:
            why = max(closed, key=lambda gate: gate.until).reason
        until: datetime | None = due or max((gate.until for gate in closed), default=None)
        return {"why": why, "until": until.isoformat() if until else None}


def _overall(states: dict[str, str], control: str | None) -> str:
    """One word for a message that several uids get: the least finished of them."""
    for state in (
        MessageState.SENDING,
        MessageState.WAITING,
        MessageState.PARKED,
        MessageState.DROPPED,
        MessageState.DONE,
    ):
        if state.value in states.values():
            return state.value
    return "recorded" if control else MessageState.DROPPED.value
