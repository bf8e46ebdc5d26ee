"""What the Developer API takes and gives, as frozen values. Times are aware and UTC.

Limits are checked here, before the call, by name: https://docs.omi.me/doc/developer/api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from integration_app.omi.types import CONVERSATION_SOURCES, CONVERSATION_TEXT_MAX, Geolocation

CONTENT_MAX = 500
"""Characters of a memory, an action item, a title."""

SEGMENTS_MAX = 500
MEMORIES_BATCH, ACTION_ITEMS_BATCH = 25, 50
CATEGORIES = (
    "interesting", "system", "manual", "workflow", "core", "hobbies", "lifestyle", "interests", "habits", "work",
    "skills", "learnings", "other", "auto",
)  # fmt: skip
SOURCES = (
    "omi", "friend", "openglass", "phone", "desktop", "apple_watch", "bee", "plaud", "frame", "screenpipe", "workflow",
    "sdcard", "external_integration",
)  # fmt: skip
SCOPES = tuple(
    f"{what}:{how}" for what in ("conversations", "memories", "action_items", "goals") for how in ("read", "write")
)


def within(name: str, value: str, low: int, high: int) -> None:
    """Raise ValueError, by name and limit, for a text that is too short or too long, or blank."""
    if not low <= len(value) <= high or (low and not value.strip()):
        raise ValueError(f"{name} must have {low} to {high} characters, not {len(value)}")


def aware(name: str, value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise ValueError(f"{name} must be aware")


@dataclass(frozen=True, slots=True)
class NewDeveloperMemory:
    """`category` None lets Omi choose; `visibility` is "private" or "public"."""

    content: str
    category: str | None = None
    visibility: str = "private"
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        within("content", self.content, 1, CONTENT_MAX)
        if self.category is not None and self.category not in CATEGORIES:
            raise ValueError(f"category must be one of {', '.join(CATEGORIES)}")
        if self.visibility not in ("public", "private"):
            raise ValueError("visibility must be public or private")


@dataclass(frozen=True, slots=True)
class NewActionItem:
    description: str
    completed: bool = False
    due_at: datetime | None = None

    def __post_init__(self) -> None:
        within("description", self.description, 1, CONTENT_MAX)
        aware("due_at", self.due_at)


@dataclass(frozen=True, slots=True)
class NewTextConversation:
    text: str
    text_source: str = "other_text"
    text_source_spec: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language: str | None = None
    geolocation: Geolocation | None = None

    def __post_init__(self) -> None:
        within("text", self.text, 1, CONVERSATION_TEXT_MAX)
        if self.text_source not in CONVERSATION_SOURCES:
            raise ValueError(f"text_source must be one of {', '.join(CONVERSATION_SOURCES)}")
        _in_order(self.started_at, self.finished_at)


@dataclass(frozen=True, slots=True)
class Segment:
    """What one speaker said; `start` and `end` in seconds from the beginning."""

    text: str
    start: float
    end: float
    speaker: str = "SPEAKER_00"
    is_user: bool = False
    speaker_id: int | None = None
    person_id: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("segment.text must not be empty")
        if not 0 <= self.start < self.end:
            raise ValueError("a segment must end after its start, and not start before 0")


@dataclass(frozen=True, slots=True)
class NewSegmentsConversation:
    """With `client_session_id` (1 to 200 characters) creating is idempotent: a retry returns the same id."""

    segments: tuple[Segment, ...]
    source: str = "phone"
    client_session_id: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language: str | None = None
    geolocation: Geolocation | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.segments) <= SEGMENTS_MAX:
            raise ValueError(f"transcript_segments must be 1 to {SEGMENTS_MAX}, not {len(self.segments)}")
        if self.source not in SOURCES:
            raise ValueError(f"source must be one of {', '.join(SOURCES)}")
        if self.client_session_id is not None:
            within("client_session_id", self.client_session_id, 1, 200)
        _in_order(self.started_at, self.finished_at)


@dataclass(frozen=True, slots=True)
class Created:
    """A conversation that was made. `discarded`: not worth keeping, Omi found. `status` "deleted": it was once."""

    id: str
    status: str | None = None
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class DeveloperMemory:
    id: str
    content: str
    category: str | None = None
    visibility: str | None = None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    manually_added: bool = False
    scoring: str | None = None


@dataclass(frozen=True, slots=True)
class ActionItem:
    id: str
    description: str
    completed: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """A segment as Omi gives it back: who spoke only as a name ("User", "Speaker 1", a person's)."""

    text: str
    start: float
    end: float
    speaker_name: str | None = None
    speaker_id: int | None = None
    id: str | None = None

    @property
    def speaker(self) -> str:
        """`Me` for the user."""
        if self.speaker_name in ("User", "Me"):
            return "Me"
        return self.speaker_name or f"Speaker {self.speaker_id or 0}"


@dataclass(frozen=True, slots=True)
class DeveloperConversation:
    """`segments` is None unless the transcript was asked for."""

    id: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language: str | None = None
    source: str | None = None
    folder_id: str | None = None
    folder_name: str | None = None
    structured: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[Spoken, ...] | None = None
    geolocation: Mapping[str, Any] | None = None

    @property
    def title(self) -> str:
        return str(self.structured.get("title") or "")

    @property
    def text(self) -> str:
        """What was said, a line for each segment; "" without a transcript."""
        return "\n".join(f"{row.speaker}: {row.text}" for row in self.segments or ())


@dataclass(frozen=True, slots=True)
class Folder:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Goal:
    id: str
    title: str
    target_value: float | None = None
    current_value: float | None = None
    is_active: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """`value` at a time, in the unit of the goal."""

    date: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a user's for this API. `secret` only in the answer that made it; it never shows in `repr`."""

    id: str
    name: str
    key_prefix: str
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: tuple[str, ...] | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """To a question about one's conversations; `sources` as Omi names them."""

    answer: str
    sources: tuple[Mapping[str, Any], ...] = ()


def _in_order(started_at: datetime | None, finished_at: datetime | None) -> None:
    aware("started_at", started_at)
    aware("finished_at", finished_at)
    if started_at and finished_at and finished_at < started_at:
        raise ValueError("finished_at must not be before started_at")
