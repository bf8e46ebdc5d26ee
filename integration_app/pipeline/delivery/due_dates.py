"""By when something is to be done, as people text it: "by Friday", "tomorrow at 5pm", "on 2026-12-01". Pure, English.

A day without a time means its end; a weekday is the next one of that name, never today.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = "|".join(f"{day[:3]}(?:{day[3:]})?" for day in _WEEKDAYS)
_DAY = re.compile(
    rf"\b(?:(?:by|on|before|until|due|next|this)\s+)?(?:(?P<weekday>{_NAMES})"
    r"|(?P<near>today|tonight|tomorrow)|(?P<iso>\d{4}-\d{2}-\d{2})|in\s+(?P<count>\d{1,3})\s+(?P<unit>day|week)s?)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(?:at\s+)?(\d{1,2})(?::(\d{2}))?\s?(am|pm)\b|\b(?:at\s+)?(\d{1,2}):(\d{2})\b", re.IGNORECASE)


def due_at(text: str, said: datetime, zone: tzinfo | None = None) -> datetime | None:
    """The moment that `text`, said at `said`, names; in `zone`, else in that of `said`. None without a day."""
    found = _DAY.search(text)
    if not found:
        return None
    local = said.astimezone(zone) if zone else said
    day = _day(found, local)
    if day is None:
        return None
    clock = _CLOCK.search(text)
    hour, minute = _hours(clock) if clock else (23, 59)
    try:
        return day.replace(hour=hour, minute=minute, second=0, microsecond=0)
    except ValueError:
        return None


def _day(found: re.Match[str], said: datetime) -> datetime | None:
    if weekday := found.group("weekday"):
        if len(weekday) <= 3 and found.group().lower() == weekday.lower():
            return None  # a bare "sun" or "sat" is a word; "by sat" is a day
        number = next(index for index, day in enumerate(_WEEKDAYS) if day.startswith(weekday.lower()[:3]))
        return said + timedelta(days=(number - said.weekday() - 1) % 7 + 1)
    if near := found.group("near"):
        return said + timedelta(days=near.lower() == "tomorrow")
    if count := found.group("count"):
        return said + timedelta(days=int(count) * (7 if found.group("unit").lower() == "week" else 1))
    try:
        return datetime.fromisoformat(found.group("iso")).replace(tzinfo=said.tzinfo)
    except ValueError:
        return None


def _hours(clock: re.Match[str]) -> tuple[int, int]:
    if clock.group(3):
        hour = int(clock.group(1)) % 12 + (12 if clock.group(3).lower() == "pm" else 0)
        return hour, int(clock.group(2) or 0)
    return int(clock.group(4)), int(clock.group(5))
