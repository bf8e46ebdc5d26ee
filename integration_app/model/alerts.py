"""What operators were told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A cause: since when, when it was last seen, when it was last told (None: not yet), and the words."""

    since: datetime
    seen: datetime
    at: datetime | None
    what: str

    def untold(self) -> Told:
        return replace(self, at=None)
