"""One story per message, for a human and for JSON: what it is, where it stands, why it waits, what was tried.

Never carries the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integration_app.logs import masked
from integration_app.model import Clock, MessageState, PreparedText, Story
from integration_app.pipeline.preview import Landing, Previews
from integration_app.store.inbox import Inbox

LOOKED_AT_MAX = 50
"""Messages among which one that Omi shows is looked for."""


class Stories:
    def __init__(self, *, inbox: Inbox, previews: Previews, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._previews = previews

    def show(self, message_id: str) -> dict[str, Any] | None:
        """The whole story of one message, None when there is no such message."""
        story = self._inbox.story(message_id)
        return self._tell(story, {}) | {"events": list(story.events)} if story else None

    def latest(self, *, limit: int, uid: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        """The newest messages, one row each, of one uid and in one state where asked."""
        rows: list[dict[str, Any]] = []
        landings: dict[str, list[Landing]] = {}
        found = self._inbox.of(uid) if uid else self._inbox.latest(self._inbox.count() if state else limit)
        for story in found:
            states = (
                [story.states[uid]] if uid else [*story.states.values(), _overall(story.states, story.message.control)]
            )
            if state and state not in states:
                continue
            rows.append(self._tell(story, landings))
            if len(rows) >= limit:
                break
        return rows

    def seen_in_omi(self, uid: str, conversation: Mapping[str, Any], app_id: str) -> bool:
        """Note in the stories of its messages that Omi shows our conversation. False for one that is not ours."""
        if conversation.get("app_id") != app_id or conversation.get("source") != "external_integration":
            return False
        said = conversation.get("external_data")
        text = said.get("text") if isinstance(said, dict) else None
        for story in self._inbox.of(uid, LOOKED_AT_MAX):
            prepared = self._inbox.said(story.id)
            known = any(event["event"] == "seen in Omi" and event.get("uid") == uid for event in story.events)
            words = prepared.text if isinstance(prepared, PreparedText) else None
            if words and not known and isinstance(text, str) and words in text:
                self._inbox.note(
                    story.id,
                    {"event": "seen in Omi", "uid": uid, "by": str(conversation.get("id", ""))[:60]},
                    now=self._clock(),
                )
        return True

    def _tell(self, story: Story, landings: dict[str, list[Landing]]) -> dict[str, Any]:
        message = story.message
        return {
            "id": story.id,
            "provider": message.provider,
            "event_id": message.event_id,
            "channel": message.channel,
            "sender": "-" if message.hints else masked(message.sender),
            "received_at": message.received_at.isoformat(),
            "state": _overall(story.states, message.control),
            "recipients": [
                {"uid": uid, "state": state} | self._waiting(story.id, uid, state, landings)
                for uid, state in story.states.items()
            ],
        }

    def _waiting(self, message_id: str, uid: str, state: str, landings: dict[str, list[Landing]]) -> dict[str, Any]:
        """Why a message waits, and when it will land. `landings` keeps what was worked out for a uid."""
        if state not in (MessageState.WAITING, MessageState.SENDING):
            return {}
        if uid not in landings:
            landings[uid] = self._previews.of(uid)
        mine = next((landing for landing in landings[uid] if message_id in landing.message_ids), None)
        if mine is None:
            return {"why": "behind more than one look can hold", "until": None}
        return {"why": mine.why, "until": mine.at.isoformat()}


def _overall(states: dict[str, str], control: str | None) -> str:
    """One word for a message that several uids get: the least finished of them."""
    for state in (
        MessageState.SENDING,
        MessageState.WAITING,
        MessageState.QUARANTINED,
        MessageState.PARKED,
        MessageState.DROPPED,
        MessageState.DONE,
    ):
        if state.value in states.values():
            return state.value
    return "recorded" if control else MessageState.DROPPED.value
