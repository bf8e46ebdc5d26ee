"""What can be imported, whatever it came from. Frozen; `key` names an item, so that it is imported once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Line:
    """What one speaker said. `is_user`: the person whose Omi it is. Seconds from the beginning, where known."""

    speaker: str
    text: str
    is_user: bool = False
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationItem:
    """`source` and `spec` as Omi's `text_source` and `text_source_spec`; `lines` where speakers are taken."""

    lines: tuple[Line, ...]
    started_at: datetime
    finished_at: datetime
    source: str
    spec: str
    head: str | None = None

    @property
    def text(self) -> str:
        """`Name: line` blocks, `Me:` for the user; below its head, a mail's own words."""
        if self.head is not None:
            return f"{self.head}\n\n{self.lines[0].text}".strip()
        return "\n\n".join(f"{'Me' if line.is_user else line.speaker}: {line.text}" for line in self.lines)

    @property
    def is_timed(self) -> bool:
        """A real transcript: it is known when each line was said."""
        return bool(self.lines) and all(line.start is not None for line in self.lines)

    @property
    def key(self) -> str:
        return digest("conversation", self.spec, self.started_at.isoformat(), self.text)


@dataclass(frozen=True, slots=True)
class MemoryItem:
    content: str
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return digest("memory", self.content)


@dataclass(frozen=True, slots=True)
class TaskItem:
    description: str
    completed: bool = False
    due_at: datetime | None = None

    @property
    def key(self) -> str:
        return digest("task", self.description, self.due_at.isoformat() if self.due_at else "")


Item = ConversationItem | MemoryItem | TaskItem


class UnreadableFile(Exception):  # noqa: N818 - it is a finding
    """A file, or a part of it, is not of its kind; the sentence says where. Never with words of its content."""


def digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:40]


def kind_of(item: Item) -> str:
    return {ConversationItem: "conversations", MemoryItem: "memories", TaskItem: "action items"}[type(item)]


def counted(items: Iterable[Item]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        counts[kind_of(item)] = counts.get(kind_of(item), 0) + 1
    return counts
