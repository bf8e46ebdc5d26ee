"""One story per message, for a human and for JSON: what it is, where it stands, why it waits, what was tried.

Never carries the text.
"""

from __future__ import annotations

from typing import Any

from integration_app.logs import masked
from integration_app.model import (
    Clock,
    HeldByRule,
    MessageState,
    Reason,
    Settled,
    Story,
    overall,
)
from integration_app.pipeline.estimate import Estimate, Estimates
from integration_app.store.inbox import Inbox


class Timeline:
    def __init__(self, *, inbox: Inbox, estimates: Estimates, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._estimates = estimates

    def show(self, message_id: str) -> dict[str, Any] | None:
        """The whole story of one message, None when there is no such message."""
        story = self._inbox.story(message_id)
        if story is None:
            return None
        return self._row(story, {}) | {"events": [event.as_dict() for event in story.events]}

    def latest(
        self, *, limit: int, uid: str | None = None, state: str | None = None, oldest_first: bool = False
    ) -> list[dict[str, Any]]:
        """The newest messages, one row each, of one uid and in one state where asked; or the oldest, of all."""
        rows: list[dict[str, Any]] = []
        known: dict[str, list[Estimate]] = {}
        found = (
            self._inbox.of(uid)
            if uid
            else self._inbox.latest(self._inbox.count() if state else limit, oldest_first=oldest_first)
        )
        for story in found:
            states = [story.states[uid]] if uid else [*story.states.values(), overall(story.states, _control(story))]
            if state and state not in states:
                continue
            rows.append(self._row(story, known))
            if len(rows) >= limit:
                break
        return rows

    def row(self, story: Story) -> dict[str, Any]:
        """One message as a list shows it."""
        return self._row(story, {})

    def _row(self, story: Story, known: dict[str, list[Estimate]]) -> dict[str, Any]:
        message = story.message
        return {
            "id": story.id,
            "provider": message.provider,
            "event_id": message.event_id,
            "channel": message.channel,
            "sender": "-" if message.hints else masked(message.sender),
            "received_at": message.received_at.isoformat(),
            "state": overall(story.states, message.control),
            "recipients": [
                {"uid": uid, "state": state.value}
                | _ended(story, uid, state)
                | self._waiting(story.id, uid, state, known)
                for uid, state in story.states.items()
            ],
        }

    def _waiting(
        self, message_id: str, uid: str, state: MessageState, known: dict[str, list[Estimate]]
    ) -> dict[str, Any]:
        """Why a message waits, and when it will leave. `known` keeps what was worked out for a uid."""
        if state not in (MessageState.WAITING, MessageState.SENDING):
            return {}
        if uid not in known:
            known[uid] = self._estimates.of(uid)
        mine = next((row for row in known[uid] if message_id in row.message_ids), None)
        if mine is None:
            return {"why": Reason.BEYOND_SNAPSHOT.sentence, "cause": Reason.BEYOND_SNAPSHOT.key, "until": None}
        return {"why": mine.why, "cause": mine.reason.key, "until": mine.at.isoformat()}


def _ended(story: Story, uid: str, state: MessageState) -> dict[str, Any]:
    """Why it is held, or was not forwarded, where its story says so."""
    mine = [event for event in story.events if event.uid == uid]
    if state is MessageState.QUARANTINED and any(isinstance(event, HeldByRule) for event in mine):
        return {"cause": Reason.OWN_RULE.key}
    settled = [event.cause for event in mine if isinstance(event, Settled)]
    return {"cause": settled[-1]} if state is MessageState.DROPPED and settled else {}


def _control(story: Story) -> str | None:
    return story.message.control
