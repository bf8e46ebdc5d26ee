"""What operators were told, and when they are not to be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Told:
    """A cause: since when, when it was last seen, when it was last told (None: not yet), and the words."""

    since: datetime
    seen: datetime
    at: datetime | None
    what: str

    def untold(self) -> Told:
        return replace(self, at=None)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one hour of the day to another, in a zone: `22-7 Europe/Berlin`."""

    start: int
    end: int
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `ValueError`, and `ZoneInfoNotFoundError` (a `KeyError`)."""
        found = re.fullmatch(r"(\d{1,2})-(\d{1,2}) ([\w/+-]+)", text.strip())
        if not found or not all(int(hour) < 24 for hour in found.groups()[:2]) or found[1] == found[2]:
            raise ValueError("no quiet hours")
        return cls(int(found[1]), int(found[2]), ZoneInfo(found[3]))

    def hold(self, moment: datetime) -> bool:
        hour = moment.astimezone(self.zone).hour
        if self.start < self.end:
            return self.start <= hour < self.end
        return hour >= self.start or hour < self.end
