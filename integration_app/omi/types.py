"""What goes to Omi and what comes back, as frozen values. Times are aware and UTC.

Requests are strict: a value that Omi would refuse is refused here, by name and limit, before the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CONVERSATION_TEXT_MAX = 100_000
"""Characters. Omi's Developer API enforces it; the integrations API stays within it too."""

MEMORY_CONTENT_MAX = 500
"""Characters of one explicit memory that both APIs take; the integrations API itself sets no limit."""

CONVERSATION_SOURCES = ("audio_transcript", "message", "other_text")
MEMORY_SOURCES = ("email", "social_post", "other")


@dataclass(frozen=True, slots=True)
class Geolocation:
    """Degrees: latitude −90..90, longitude −180..180."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:
            raise ValueError("geolocation.latitude must be between -90 and 90")
        if not -180 <= self.longitude <= 180:
            raise ValueError("geolocation.longitude must be between -180 and 180")


@dataclass(frozen=True, slots=True)
class NewConversation:
    """Body of "create conversation". `text` holds `Name: line` blocks separated by blank lines."""

    text: str
    text_source: str
    text_source_spec: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    language: str | None = None
    geolocation: Geolocation | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text must not be empty")
        if len(self.text) > CONVERSATION_TEXT_MAX:
            raise ValueError(f"text must not exceed {CONVERSATION_TEXT_MAX} characters")
        if self.text_source not in CONVERSATION_SOURCES:
            raise ValueError(f"text_source must be one of {', '.join(CONVERSATION_SOURCES)}")
        for name, moment in (("started_at", self.started_at), ("finished_at", self.finished_at)):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} must be aware")
        if self.started_at and self.finished_at and self.finished_at < self.started_at:
            raise ValueError("finished_at must not be before started_at")


@dataclass(frozen=True, slots=True)
class NewMemory:
    """One explicit memory. Omi derives its id from the content: the same content is stored once."""

    content: str
    tags: tuple[str, ...] = ()
    source_id: str | None = None
    source_url: str | None = None

    def __post_init__(self) -> None:
        if not self.content.strip():
            raise ValueError("content must not be empty")


@dataclass(frozen=True, slots=True)
class NewMemories:
    """Body of "create memories": explicit ones, a text to mine, or both."""

    memories: tuple[NewMemory, ...] = ()
    text: str | None = None
    text_source: str = "other"
    text_source_spec: str | None = None
    source_id: str | None = None
    source_url: str | None = None

    def __post_init__(self) -> None:
        if not self.memories and not (self.text and self.text.strip()):
            raise ValueError("either text or memories is required")
        if self.text_source not in MEMORY_SOURCES:
            raise ValueError(f"text_source must be one of {', '.join(MEMORY_SOURCES)}")


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as Omi returns it. `external_data` holds what an import sent, text included."""

    id: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    source: str | None = None
    app_id: str | None = None
    language: str | None = None
    status: str | None = None
    discarded: bool = False
    structured: Mapping[str, Any] = field(default_factory=dict)
    transcript_segments: tuple[Mapping[str, Any], ...] = ()
    external_data: Mapping[str, Any] = field(default_factory=dict)
    geolocation: Mapping[str, Any] | None = None
    seed_text: str | None = None

    @property
    def title(self) -> str:
        return str(self.structured.get("title") or "")

    @property
    def text(self) -> str | None:
        """The imported text: `external_data.text`, or `text` where an Omi follows its published page."""
        text: str | None = self.external_data.get("text", self.seed_text)
        return text


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory as Omi returns it; fields beyond the documented ones are left out."""

    id: str
    content: str
    created_at: datetime | None = None
    tags: tuple[str, ...] = ()
    category: str | None = None
    app_id: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An action item of the user's, read-only here."""

    id: str
    description: str
    completed: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    conversations: tuple[Conversation, ...]
    total_pages: int
