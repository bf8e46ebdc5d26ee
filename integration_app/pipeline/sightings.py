"""Conversations that Omi shows us: ours are confirmed in their messages' stories, with what Omi made of them.

A delivery whose outcome was unknown has arrived then, and a parked one too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_app.model import Begun, Clock, Made, PreparedText, SeenInOmi, Story
from integration_app.store.deliveries import Deliveries
from integration_app.store.inbox import Inbox

SEARCHED_MAX = 50
"""Messages among which one that Omi shows is looked for."""
_TITLE_MAX, _OVERVIEW_MAX, _ITEM_MAX, _ITEMS_MAX = 200, 2000, 300, 10


class Sightings:
    def __init__(self, *, inbox: Inbox, deliveries: Deliveries, clock: Clock) -> None:
        self._inbox = inbox
        self._deliveries = deliveries
        self._clock = clock

    def heard(self, uid: str, conversation: Mapping[str, Any], app_id: str) -> bool:
        """Note in the stories of its messages that Omi shows our conversation. False for one that is not ours."""
        if conversation.get("app_id") != app_id or conversation.get("source") != "external_integration":
            return False
        data = conversation.get("external_data")
        text = data.get("text") if isinstance(data, dict) else None
        made, by = made_of(conversation), str(conversation.get("id", ""))[:60]
        for story in self._inbox.of(uid, SEARCHED_MAX):
            prepared = self._inbox.text(story.id)
            words = prepared.text if isinstance(prepared, PreparedText) else None
            if not words or not isinstance(text, str) or not _stands_in(words, text):
                continue
            self._arrived(uid, story, conversation.get("started_at"), by)
            if not any(isinstance(event, SeenInOmi) and event.uid == uid for event in story.events):
                self._inbox.seen(story.id, SeenInOmi(at=self._clock(), uid=uid, by=by), made)
        return True

    def _arrived(self, uid: str, story: Story, started_at: Any, by: str) -> None:
        """Settle the delivery of this message, where it is this very conversation and not settled yet."""
        begun = [event for event in story.events if isinstance(event, Begun) and event.uid == uid]
        delivery = self._deliveries.get(begun[-1].delivery) if begun else None
        if delivery is not None and _moment(started_at) == delivery.started_at:
            self._deliveries.seen(delivery, by, now=self._clock())


def made_of(conversation: Mapping[str, Any]) -> Made | None:
    """Title, overview and action items of a conversation as Omi gives it; None when it has none of them."""
    structured = conversation.get("structured")
    if not isinstance(structured, dict):
        return None
    items = structured.get("action_items")
    found = [row.get("description") for row in items if isinstance(row, dict)] if isinstance(items, list) else []
    made = Made(
        title=_text(structured.get("title"), _TITLE_MAX),
        overview=_text(structured.get("overview"), _OVERVIEW_MAX),
        action_items=tuple(filter(None, (_text(item, _ITEM_MAX) for item in found[:_ITEMS_MAX]))),
    )
    return made if made.title or made.overview or made.action_items else None


def _stands_in(words: str, text: str) -> bool:
    """Whether it is a whole block of the conversation, behind the name of its speaker, and no part of another."""
    return f"\n\n{text}\n\n".find(f" {words}\n\n") >= 0 or f"\n\n{text}\n\n".find(f"\n\n{words}\n\n") >= 0


def _text(value: Any, longest: int) -> str:
    return value.strip()[:longest] if isinstance(value, str) else ""


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
