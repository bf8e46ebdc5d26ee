"""Where items go: a user of an app (integrations API), or oneself (Developer API). One call per `send`, in batches
where the API takes them; what it costs in quota is known beforehand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from integration_app.omi import (
    CONVERSATION_TEXT_MAX,
    DeveloperClient,
    IntegrationsClient,
    NewActionItem,
    NewConversation,
    NewDeveloperMemory,
    NewMemories,
    NewMemory,
    NewSegmentsConversation,
    NewTextConversation,
    Segment,
)
from integration_app.pipeline.delivery.compose import split
from integration_app.transfer.items import ConversationItem, Item, MemoryItem, TaskItem, kind_of

_SECONDS_PER_WORD = 0.4
_SEGMENTS_MAX = 500


class Place(Protocol):
    """`calls_per_hour` by kind, as documented; `batch` items of a kind go in one call."""

    name: str
    calls_per_hour: Mapping[str, int]
    batch: Mapping[str, int]

    def send(self, items: Sequence[Item]) -> None:
        """Items of one kind, not more than its batch. Raises `OmiError`."""

    def holds(self, item: Item) -> bool:
        """Whether Omi has it already: asked for what was begun and never answered."""

    def known_memories(self) -> set[str]:
        """Contents that are there already."""


class AppUser:
    """Through the integrations API, for one user of an app. Tasks become conversations: that API has none to create."""

    calls_per_hour: Mapping[str, int] = {"conversations": 10, "memories": 60, "action items": 10}
    batch: Mapping[str, int] = {"conversations": 1, "memories": 50, "action items": 1}

    def __init__(self, client: IntegrationsClient, uid: str) -> None:
        self._client, self._uid = client, uid
        self.name = f"uid {uid}"

    def send(self, items: Sequence[Item]) -> None:
        if all(isinstance(item, MemoryItem) for item in items):
            made = tuple(NewMemory(item.content, item.tags) for item in items if isinstance(item, MemoryItem))
            self._client.create_memories(self._uid, NewMemories(memories=made, text_source_spec="import"))
            return
        for item in items:
            there = self._texts_around(item) if isinstance(item, ConversationItem) and len(_texts(item)) > 1 else set()
            for conversation in _conversations(item):
                if conversation.text not in there:  # parts of it may have been sent before it was stopped
                    self._client.create_conversation(self._uid, conversation)

    def holds(self, item: Item) -> bool:
        if not isinstance(item, ConversationItem):
            return False
        return set(_texts(item)) <= self._texts_around(item)

    def _texts_around(self, item: ConversationItem) -> set[str]:
        second = timedelta(seconds=1)
        around = self._client.iter_conversations(
            self._uid, include_discarded=True, start=item.started_at - second, end=item.started_at + second
        )
        return {found.text for found in around if found.text}

    def known_memories(self) -> set[str]:
        return {memory.content for memory in self._client.iter_memories(self._uid, page=1000)}


class Oneself:
    """Through the Developer API. A conversation is found again by the instant at which it began."""

    calls_per_hour: Mapping[str, int] = {"conversations": 25, "memories": 15, "action items": 120}
    batch: Mapping[str, int] = {"conversations": 1, "memories": 25, "action items": 50}

    def __init__(self, client: DeveloperClient) -> None:
        self._client = client
        self.name = "oneself"

    def send(self, items: Sequence[Item]) -> None:
        memories = [item for item in items if isinstance(item, MemoryItem)]
        tasks = [item for item in items if isinstance(item, TaskItem)]
        if memories:
            self._client.create_memories([NewDeveloperMemory(item.content, tags=item.tags) for item in memories])
        if tasks:
            self._client.create_action_items(
                [NewActionItem(item.description, item.completed, item.due_at) for item in tasks]
            )
        for item in items:
            if isinstance(item, ConversationItem):
                self._send_conversation(item)

    def _send_conversation(self, item: ConversationItem) -> None:
        """A transcript with times as segments; everything else as text, which Omi neither discards nor leaves bare."""
        there = self._begun(item)
        if item.is_timed:
            for number, part in enumerate(segments_of(item)):
                self._client.create_from_segments(
                    NewSegmentsConversation(
                        segments=part,
                        source="phone",
                        client_session_id=f"import-{item.key}-{number}",
                        started_at=item.started_at + timedelta(seconds=part[0].start),
                    )
                )
            return
        for number, conversation in enumerate(_conversations(item)):
            at = _part_begins(item, number)
            if at not in there:
                self._client.create_conversation(
                    NewTextConversation(
                        conversation.text,
                        text_source=conversation.text_source,
                        text_source_spec=conversation.text_source_spec,
                        started_at=at,
                        finished_at=max(at, item.finished_at),
                    )
                )

    def _begun(self, item: ConversationItem) -> set[datetime]:
        """The instants around this item at which conversations of Omi's begin."""
        second = timedelta(seconds=1)
        around = self._client.iter_conversations(start=item.started_at - second, end=item.started_at + second)
        return {found.started_at for found in around if found.started_at}

    def holds(self, item: Item) -> bool:
        if isinstance(item, TaskItem):
            return any(row.description == item.description for row in self._client.iter_action_items())
        if isinstance(item, ConversationItem) and not item.is_timed:
            return {_part_begins(item, number) for number in range(len(_texts(item)))} <= self._begun(item)
        return False  # the rest is harmless to send again

    def known_memories(self) -> set[str]:
        return {memory.content for memory in self._client.iter_memories(page=1000)}


def segments_of(item: ConversationItem) -> list[tuple[Segment, ...]]:
    """Lines as segments, with times of their own or as long as it takes to say them; at most 500 in one list."""
    made: list[Segment] = []
    at = 0.0
    speakers: dict[str, int] = {}
    text_first = [("", item.head, False)] if item.head else []
    rows = [(speaker, text or "", mine, None, None) for speaker, text, mine in text_first]
    rows += [(line.speaker, line.text, line.is_user, line.start, line.end) for line in item.lines]  # type: ignore[misc]
    for speaker, text, mine, start, end in rows:
        if not text.strip():
            continue
        begin = max(at, start) if start is not None else at
        finish = end if end is not None and end > begin else begin + max(0.5, len(text.split()) * _SECONDS_PER_WORD)
        number = speakers.setdefault(speaker, len(speakers))
        named = text if mine or not speaker else f"{speaker}: {text}"
        made.append(Segment(named, round(begin, 3), round(finish, 3), f"SPEAKER_{number:02d}", mine))
        at = finish
    return [tuple(made[start : start + _SEGMENTS_MAX]) for start in range(0, len(made), _SEGMENTS_MAX)]


def _conversations(item: Item) -> list[NewConversation]:
    if isinstance(item, ConversationItem):
        return [
            NewConversation(
                text=text,
                text_source=item.source,
                text_source_spec=item.spec,
                started_at=item.started_at,
                finished_at=max(item.started_at, item.finished_at),
            )
            for text in _texts(item)
        ]
    if isinstance(item, TaskItem):
        due = f" by {item.due_at:%Y-%m-%d}" if item.due_at else ""
        text = f"Me: To do: {item.description}{due}"
        return [NewConversation(text=text, text_source="message", text_source_spec="task")]
    raise ValueError(f"{kind_of(item)} are no conversation")


def _part_begins(item: ConversationItem, number: int) -> datetime:
    """Microseconds of its own for each part of each item, so that they are found again."""
    own = int(hashlib.sha256(item.key.encode()).hexdigest()[:8], 16) % 990_000
    return item.started_at.replace(microsecond=own + number)


def _texts(item: ConversationItem) -> list[str]:
    """What Omi takes in one; a longer one in numbered parts."""
    if len(item.text) <= CONVERSATION_TEXT_MAX:
        return [item.text]
    parts = split(item.text, CONVERSATION_TEXT_MAX - 100)
    return [f"[Part {number} of {len(parts)}]\n\n{part}" for number, part in enumerate(parts, 1)]
