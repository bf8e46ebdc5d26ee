"""From a group to the exact request. Pure.

Omi has no speaker field: who said what stands in the text, as `Name: line` blocks separated by blank lines, `Me:` for
the user (https://docs.omi.me/doc/developer/apps/Import).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integration_app.model import Hints, Kind, PreparedText, WaitingMessage
from integration_app.model.messages import CHAT_CHANNELS
from integration_app.omi import (
    CONVERSATION_TEXT_MAX,
    MEMORY_CONTENT_MAX,
    Geolocation,
    NewConversation,
    NewMemories,
    NewMemory,
    conversation_body,
    memories_body,
)
from integration_app.pipeline.delivery.group import Group, is_long
from integration_app.pipeline.delivery.prepare import said_at
from integration_app.text.clean import one_line

OTHER_TEXT = "other_text"
_PART_OVERHEAD = 400
"""Characters that a block may add to its text: a speaker's name, its number, blank lines."""


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is sent as it is. `started_at` identifies it: no two deliveries of a uid share its microseconds."""

    body: dict[str, Any]
    started_at: datetime


def compose(group: Group, *, language: str | None = None, mail_source: str = OTHER_TEXT) -> Request:
    """The request for a group. Raises ValueError when Omi would refuse it. `language` is the user's preference,
    `mail_source` the `text_source` of mails.
    """
    started = fingerprint(group)
    if group.lane.kind is Kind.MEMORIES:
        return Request(memories_body(_memories(group)), started)
    hints = group.messages[0].message.hints
    if hints:
        return Request(conversation_body(_as_it_says(group, hints, started, language)), started)
    source, spec = _origin(group.lane.channel, mail_source)
    finished = max(said_at(item.message, item.prepared) for item in group.messages)
    place = next((item.prepared.place for item in group.messages if item.prepared and item.prepared.place), None)
    conversation = NewConversation(
        text="\n\n".join(block(item) for item in group.messages),
        text_source=source,
        text_source_spec=spec,
        started_at=started,
        finished_at=max(started, finished),
        language=language,
        geolocation=Geolocation(*place) if place else None,
    )
    return Request(conversation_body(conversation), started)


def _as_it_says(group: Group, hints: Hints, started: datetime, language: str | None) -> NewConversation:
    """An event that describes itself: its own times, source, language and place; its text without our `Me:`."""
    assert group.messages[0].prepared is not None  # noqa: S101 - only prepared messages are grouped
    finished = hints.finished_at or said_at(group.messages[0].message)
    place = (hints.latitude, hints.longitude)
    return NewConversation(
        text=_numbered(group.messages[0].prepared),
        text_source=hints.text_source or "other_text",
        text_source_spec=hints.text_source_spec or group.lane.channel,
        started_at=started,
        finished_at=max(started, finished),
        language=hints.language or language,
        geolocation=Geolocation(place[0], place[1]) if place[0] is not None and place[1] is not None else None,
    )


def fingerprint(group: Group) -> datetime:
    """When the first message was said, to the second; its number in the order of arrival as microseconds."""
    first = group.messages[0]
    begun = min(said_at(item.message, item.prepared) for item in group.messages)
    return begun.replace(microsecond=first.seq % 1_000_000)


def block(item: WaitingMessage) -> str:
    """A message as it stands in the text of a conversation."""
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    if item.prepared.head:
        return f"{item.prepared.head}\n\n{_numbered(item.prepared)}".strip()
    return f"{item.message.speaker or 'Me'}: {_numbered(item.prepared)}"


def action_of(item: WaitingMessage) -> str:
    """What is to do, as an action item says it."""
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    return split(item.prepared.text, MEMORY_CONTENT_MAX)[0]


def _numbered(prepared: PreparedText) -> str:
    return prepared.text if prepared.parts == 1 else f"[Part {prepared.part} of {prepared.parts}]\n\n{prepared.text}"


def _origin(channel: str, mail_source: str) -> tuple[str, str]:
    """What Omi is told about where words come from: `text_source` and `text_source_spec`."""
    if channel == "call":
        return "audio_transcript", "phone_call"
    if channel == "email":
        return mail_source, channel
    return ("message" if channel in CHAT_CHANNELS else OTHER_TEXT), channel


def parts_of(prepared: PreparedText) -> list[PreparedText]:
    """A text longer than Omi takes, in parts at paragraph borders; each repeats the head. Memories are split later."""
    limit = CONVERSATION_TEXT_MAX - len(prepared.head or "") - _PART_OVERHEAD
    attached = max(len(prepared.attached), len(prepared.named)) + 2
    if prepared.kind is not Kind.CONVERSATION or len(prepared.text) + attached <= limit:
        return [prepared]
    made = [replace(prepared, text=text, attached="", named="") for text in split(prepared.text, limit)]
    if prepared.attached:
        if not made or len(made[-1].text) + attached > limit:
            made.append(replace(prepared, text="", attached="", named=""))
        made[-1] = replace(made[-1], attached=prepared.attached, named=prepared.named)
    return [replace(row, part=number + 1, parts=len(made)) for number, row in enumerate(made)]


def _memories(group: Group) -> NewMemories:
    channel, first = group.lane.channel, group.messages[0]
    if first.prepared is not None and is_long(first.prepared):
        return NewMemories(
            text=_clipped("\n\n".join(part for part in (first.prepared.head, first.prepared.text) if part)),
            text_source="email" if channel == "email" else "other",
            text_source_spec=channel,
        )
    return NewMemories(
        memories=tuple(memory for item in group.messages for memory in _pieces(item)),
        text_source="email" if channel == "email" else "other",
        text_source_spec=channel,
    )


def _pieces(item: WaitingMessage) -> list[NewMemory]:
    assert item.prepared is not None  # noqa: S101 - only prepared messages are grouped
    return [
        NewMemory(content=piece, tags=item.prepared.tags, source_id=one_line(item.message.event_id, 200))
        for piece in split(item.prepared.text, MEMORY_CONTENT_MAX)
    ]


def _clipped(text: str) -> str:
    return text if len(text) <= CONVERSATION_TEXT_MAX else split(text, CONVERSATION_TEXT_MAX - 100)[0]


def split(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` characters, at the best border: paragraph, line, sentence, word."""
    pieces: list[str] = []
    rest = text.strip()
    while len(rest) > limit:
        window = rest[: limit + 1]
        at = 0
        for border in ("\n\n", "\n", ". ", " "):
            at = window.rfind(border, 1) + (1 if border == ". " else 0)
            if at > limit // 3:
                break
        at = at if at > 0 else limit
        pieces.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [piece for piece in (*pieces, rest) if piece]
