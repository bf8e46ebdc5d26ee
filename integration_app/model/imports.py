"""What a user brings along from elsewhere, item by item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integration_app.model.messages import Kind

IMPORT = "import"
"""Provider and channel of what a user brings along; its memories share calls."""


class ImportState(StrEnum):
    """A draft waits for its owner's word; what is paused, too."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One item. `key` names it, so that it is taken once. `source` and `spec` as Omi's `text_source` and
    `text_source_spec`.
    """

    key: str
    kind: Kind
    text: str
    source: str
    spec: str
    tags: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """`total` new ones, of them so many `conversations`, and `taken` so far; `duplicates` were left out. `until`:
    nothing is taken before it. `message_ids` of what was taken, for who wants to see what became of it.
    """

    id: str
    state: ImportState
    name: str
    total: int
    conversations: int = 0
    taken: int = 0
    duplicates: int = 0
    until: datetime | None = None
    message_ids: tuple[str, ...] = ()
