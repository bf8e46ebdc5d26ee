"""One person's own Omi, through the Developer API: no marketplace app is needed.

Texts become conversations of segments with a session id that is made of the delivery, so that sending one again is
harmless; "remember: …" becomes memories, "todo: …" an action item with a due date.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integration_app.model import Delivery, Kind, WaitingMessage
from integration_app.omi import (
    MEMORY_CONTENT_MAX,
    AppMisconfigured,
    DeveloperClient,
    NewActionItem,
    NewDeveloperMemory,
    NewSegmentsConversation,
    Segment,
    segments_body,
)
from integration_app.pipeline.delivery.compose import Request, fingerprint, split
from integration_app.pipeline.delivery.due_dates import due_at
from integration_app.pipeline.delivery.group import Group
from integration_app.pipeline.delivery.prepare import said_at

_SECONDS_PER_WORD = 0.4
_SEGMENT_MAX = 2000
"""Characters of one segment."""
_SEGMENTS_MAX = 500
_ASKED_SINCE = timedelta(minutes=10)


class PersonalDestination:
    is_personal = True

    def __init__(self, client: DeveloperClient) -> None:
        self._client = client

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        started = fingerprint(group)
        if group.lane.kind is Kind.MEMORIES:
            return Request({"memories": [row for item in group.messages for row in _memories(item)]}, started)
        if group.lane.kind is Kind.TASKS:
            return Request({"action_items": [_action_item(item) for item in group.messages]}, started)
        hints = group.messages[0].message.hints
        conversation = NewSegmentsConversation(
            segments=_segments(group),
            source="external_integration",
            client_session_id=f"inbox-{'-'.join(item.id for item in group.messages)}"[:200],
            started_at=started,
            language=(hints.language if hints else None) or language,
        )
        return Request(segments_body(conversation), started)

    def send(self, delivery: Delivery) -> None:
        body = delivery.body
        if delivery.lane.kind is Kind.MEMORIES:
            made_of = [NewDeveloperMemory(row["content"], tags=tuple(row["tags"])) for row in body["memories"]]
            self._client.create_memories(made_of)
        elif delivery.lane.kind is Kind.TASKS:
            self._client.create_action_items([_loaded(row) for row in body["action_items"]])
        else:
            made = self._client.create_from_segments(body)
            if made.discarded and made.status != "deleted":
                # Omi keeps no short recordings; these were sent on purpose
                self._client.update_conversation(made.id, discarded=False)

    def repeatable(self, kind: Kind) -> bool:
        """Conversations by their session id, memories by their content."""
        return kind is not Kind.TASKS

    def find(self, delivery: Delivery) -> bool:
        """Action items have no key: those of the same words that were made since we tried are ours."""
        rows = delivery.body.get("action_items", ())
        since = delivery.begun_at - _ASKED_SINCE
        there = {item.description for item in self._client.iter_action_items(start=since)}
        return bool(rows) and all(row["description"] in there for row in rows)

    def check(self, uid: str) -> str:
        self._client.memories(limit=1)
        return "accepts OMI_DEVELOPER_KEY"

    def notify(self, uid: str, words: str) -> None:
        raise AppMisconfigured("one's own key cannot show notifications")

    def close(self) -> None:
        self._client.close()


def _segments(group: Group) -> tuple[Segment, ...]:
    """A segment for each message, from when it was said; a long one in several."""
    begun = min(said_at(item.message, item.prepared) for item in group.messages)
    made: list[Segment] = []
    at = 0.0
    speakers: dict[str, int] = {}
    for item in group.messages:
        at = max(at, (said_at(item.message, item.prepared) - begun).total_seconds())
        prepared = item.prepared
        assert prepared is not None  # noqa: S101 - only prepared messages are grouped
        speaker = item.message.speaker or ""
        number = speakers.setdefault(speaker, len(speakers))
        said = f"{prepared.head}\n\n{prepared.text}".strip() if prepared.head else prepared.text
        for text in split(said, _SEGMENT_MAX):
            end = at + max(0.5, len(text.split()) * _SECONDS_PER_WORD)
            named = f"{speaker}: {text}" if speaker else text
            mine = not speaker and not prepared.head
            made.append(Segment(named, round(at, 3), round(end, 3), f"SPEAKER_{number:02d}", is_user=mine))
            at = end
    if len(made) > _SEGMENTS_MAX:
        raise ValueError(f"more than {_SEGMENTS_MAX} segments")
    return tuple(made)


def _memories(item: WaitingMessage) -> list[dict[str, Any]]:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    pieces = split(item.prepared.text, MEMORY_CONTENT_MAX)
    return [{"content": piece, "tags": list(item.prepared.tags)} for piece in pieces]


def _action_item(item: WaitingMessage) -> dict[str, Any]:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    text = item.prepared.text
    due = due_at(text, said_at(item.message, item.prepared))
    return {"description": split(text, MEMORY_CONTENT_MAX)[0], "due_at": due.isoformat() if due else None}


def _loaded(row: dict[str, Any]) -> NewActionItem:
    return NewActionItem(row["description"], due_at=datetime.fromisoformat(row["due_at"]) if row["due_at"] else None)
