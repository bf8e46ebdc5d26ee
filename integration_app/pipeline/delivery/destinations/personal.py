"""One person's own Omi, through the Developer API: no marketplace app is needed.

Texts become conversations as an app's do; "remember: …" becomes memories, "todo: …" an action item with a due date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from integration_app.model import Delivery, Held, Kind, WaitingMessage
from integration_app.omi import (
    MEMORY_CONTENT_MAX,
    AppMisconfigured,
    DeveloperClient,
    NewActionItem,
    NewDeveloperMemory,
)
from integration_app.pipeline.delivery.compose import OTHER_TEXT, Request, action_of, compose, fingerprint, split
from integration_app.pipeline.delivery.due_dates import due_at
from integration_app.pipeline.delivery.group import Group
from integration_app.pipeline.delivery.prepare import said_at

_ASKED_SINCE = timedelta(minutes=10)
_AROUND = timedelta(seconds=2)


class PersonalDestination:
    is_personal = True

    def __init__(self, client: DeveloperClient, mail_source: str = OTHER_TEXT) -> None:
        self._client = client
        self._mail_source = mail_source

    def compose(self, group: Group, *, language: str | None = None) -> Request:
        started = fingerprint(group)
        if group.lane.kind is Kind.MEMORIES:
            return Request({"memories": [row for item in group.messages for row in _memories(item)]}, started)
        if group.lane.kind is Kind.TASKS:
            return Request({"action_items": [_action_item(item) for item in group.messages]}, started)
        return compose(group, language=language, mail_source=self._mail_source)

    def send(self, delivery: Delivery) -> None:
        body = delivery.body
        if delivery.lane.kind is Kind.MEMORIES:
            made_of = [NewDeveloperMemory(row["content"], tags=tuple(row["tags"])) for row in body["memories"]]
            self._client.create_memories(made_of)
        elif delivery.lane.kind is Kind.TASKS:
            self._client.create_action_items([_loaded(row) for row in body["action_items"]])
        elif "transcript_segments" in body:
            self._client.create_from_segments(body)  # begun by a version before 0.3
        else:
            self._client.create_conversation(body)

    def repeatable(self, kind: Kind, *, long: bool = False) -> bool:
        """Memories, by their content: long ones too are sent piece by piece."""
        return kind is Kind.MEMORIES

    def find(self, delivery: Delivery) -> bool:
        """A conversation by the instant at which it began: no two share its microseconds. Action items have no key:
        those of the same words that were made since we tried are ours.
        """
        if delivery.lane.kind is not Kind.TASKS:
            around = self._client.iter_conversations(
                start=delivery.started_at - _AROUND, end=delivery.started_at + _AROUND
            )
            return any(found.started_at == delivery.started_at for found in around)
        rows = delivery.body.get("action_items", ())
        since = delivery.begun_at - _ASKED_SINCE
        there = {item.description for item in self._client.iter_action_items(start=since)}
        return bool(rows) and all(row["description"] in there for row in rows)

    def held(self, uid: str, kind: Kind, start: datetime, end: datetime | None = None) -> Iterator[Held]:
        if kind is Kind.TASKS:
            for item in self._client.iter_action_items(start=start):
                yield Held(item.created_at or start, item.description)
        else:
            for found in self._client.iter_conversations(start=start, end=end):
                if found.started_at:
                    yield Held(found.started_at, None, found.finished_at)

    def check(self, uid: str) -> str:
        self._client.memories(limit=1)
        return "accepts OMI_DEVELOPER_KEY"

    def reads(self, uid: str) -> dict[str, Callable[[], object]]:
        return {
            "reads conversations": lambda: self._client.conversations(limit=1),
            "reads memories": lambda: self._client.memories(limit=1),
            "reads action items": lambda: self._client.action_items(limit=1),
        }

    def notify(self, uid: str, words: str) -> None:
        raise AppMisconfigured("one's own key cannot show notifications")

    def close(self) -> None:
        self._client.close()


def _memories(item: WaitingMessage) -> list[dict[str, Any]]:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    pieces = split(item.prepared.text, MEMORY_CONTENT_MAX)
    return [{"content": piece, "tags": list(item.prepared.tags)} for piece in pieces]


def _action_item(item: WaitingMessage) -> dict[str, Any]:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    due = due_at(item.prepared.text, said_at(item.message, item.prepared))
    return {"description": action_of(item), "due_at": due.isoformat() if due else None}


def _loaded(row: dict[str, Any]) -> NewActionItem:
    return NewActionItem(row["description"], due_at=datetime.fromisoformat(row["due_at"]) if row["due_at"] else None)
