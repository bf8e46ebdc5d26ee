"""Dates and times as Omi's framework reads them, body and query; and as its own routes read the bounds of a range."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Any

_MILLISECONDS_FROM = 2e10
"""Numbers beyond it are milliseconds since 1970, below it seconds."""

_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[T t_](?P<time>\d{2}:\d{2}(?::\d{2})?)(?P<part>[.,]\d{1,9})?"
    r"(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?"
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class Unreadable(ValueError):  # noqa: N818 - it is the reason of a 422
    """No moment. The text says why, in the framework's words."""


def parse(value: Any) -> datetime:
    """A value of a body. Naive ones are taken as UTC. Raises Unreadable."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value)
    if not isinstance(value, str):
        raise Unreadable("")
    if _NUMBER.fullmatch(value):
        return _since_1970(float(value))
    found = _ISO.fullmatch(value)
    try:
        if found is None:
            return datetime.combine(_day(value), time(), UTC)
        part = (found["part"] or ".0").replace(",", ".")[:7]
        clock = found["time"] + (part if found["time"][5:] else "")
        return datetime.fromisoformat(f"{found['day']}T{clock}{(found['zone'] or 'Z').upper()}").astimezone(UTC)
    except Unreadable:
        raise
    except ValueError:
        _day(value[:10])
        raise Unreadable("unexpected extra characters at the end of the input") from None


def is_naive(value: Any) -> bool:
    """Whether a readable value says no zone; numbers count from 1970 in UTC."""
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    return isinstance(value, str) and not _NUMBER.fullmatch(value) and not (found and found["zone"])


def parse_bound(value: str, *, end: bool) -> datetime | None:
    """A bound of a range in v2: a bare date as an end means the whole day. Eight digits are seconds since 1970."""
    if re.fullmatch(r"\d+", value):
        return _since_1970(float(value)) if len(value) == 8 else None
    try:
        found = parse(value)
    except Unreadable:
        return None
    whole = end and _DATE.fullmatch(value)
    return found.replace(hour=23, minute=59, second=59, microsecond=999999) if whole else found


def _since_1970(number: float) -> datetime:
    try:
        return datetime.fromtimestamp(number / 1000 if abs(number) > _MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unreadable("unexpected extra characters at the end of the input") from None


def _day(text: str) -> date:
    if len(text) < 10:
        raise Unreadable("input is too short")
    for start, end, what in ((0, 4, "year"), (5, 7, "month"), (8, 10, "day")):
        if not (text[start:end].isascii() and text[start:end].isdigit()):
            raise Unreadable(f"invalid character in {what}")
        if end < 10 and text[end] != "-":
            raise Unreadable("invalid date separator, expected `-`")
    if not 1 <= int(text[5:7]) <= 12:
        raise Unreadable("month value is outside expected range of 1-12")
    try:
        day = date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        raise Unreadable("day value is outside expected range") from None
    if len(text) > 10:
        raise Unreadable("unexpected extra characters at the end of the input")
    return day
