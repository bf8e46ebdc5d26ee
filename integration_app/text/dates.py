"""Dates as mail programs write them above a forwarded mail, in the language of the forwarder. Pure.

The names of the months come from the Unicode CLDR. A date that can be read in two ways is not read at all.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from babel import dates

LANGUAGES = (
    "en", "de", "fr", "es", "pt", "it", "nl", "sv", "nb", "da", "fi", "pl", "cs", "sk", "hu", "ro", "bg", "ru",
    "uk", "el", "tr", "he", "ar", "fa", "hi", "th", "vi", "id", "ja", "ko", "zh", "ca", "et", "lt", "lv", "sl",
)  # fmt: skip

_OFFSET = re.compile(r"(?:(?:GMT|UTC)\s?)?([+\u2212-])(\d{1,2}):?(\d{2})?\)?\s*(?:\([^()]{0,40}\))?\s*\Z")
_ABBREVIATION = re.compile(r"(?<![^\W\d_])\(?([A-Z]{1,5})\)?\s*\Z")
_ZONES = {
    "GMT": 0, "UTC": 0, "UT": 0, "Z": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "MEZ": 60,
    "MESZ": 120, "EET": 120, "EEST": 180, "MSK": 180, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420,
    "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600, "JST": 540, "KST": 540, "SGT": 480,
    "HKT": 480, "AEST": 600, "AEDT": 660, "NZST": 720, "NZDT": 780,
}  # fmt: skip
"""Minutes ahead of UTC. An abbreviation that is not here makes the time unknown, AM and PM apart."""

_HALF = r"(?:\s?([ap])\.?\s?m\b)?"
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2})\s?[:h時时시]\s?(\d{2})(?::(\d{2}))?(?![\d:])" + _HALF, re.IGNORECASE)
_CLOCK_WITH_DOTS = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{2})(?:\.(\d{2}))?(?![\d.])" + _HALF, re.IGNORECASE)
_AFTERNOON = re.compile(r"下午|晚上|午後|오후|μ\.?μ|ب\.?ظ|(?<!\w)م(?!\w)|(?<!\w)pm\b", re.IGNORECASE)
_MORNING = re.compile(r"上午|凌晨|午前|오전|π\.?μ", re.IGNORECASE)
_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d{2})\s?[-/.年년]\s?(\d{1,2})\s?[-/.月월]\s?(\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<![\d.])(\d{1,2})([./-])\s?(\d{1,2})[./-]\s?((?:19|20)?\d{2})(?![\d/.-])")
_ISO_T = re.compile(r"(\d{4}-\d{2}-\d{2})T(\d{2}:)")
_NUMBERED_MONTH = re.compile(r"\s+(?:thg|tháng)\s?(\d{1,2}),?\s+", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d{2})(?!\d)")
_DAY = re.compile(r"(?<![\d:.])(\d{1,2})(?!\d)")
_SLACK = timedelta(days=1)
_WORD = re.compile(r"[^\W\d_]{2,20}")


def read_date(text: str, *, zone: timezone = UTC, before: datetime | None = None) -> datetime | None:
    """The moment that `text` names, aware and UTC; None when it names none, or more than one.

    Without a zone of its own it is taken for the local time of `zone`. `before`: it cannot be later than this, which
    may decide whether 3/4 is in March.
    """
    text = text.strip()[:200]
    if (stated := _OFFSET.search(text)) and _CLOCK.search(text[: stated.start()]):
        ahead = timedelta(hours=int(stated.group(2)), minutes=int(stated.group(3) or 0))
        if ahead < timedelta(hours=15):
            text, zone = text[: stated.start()], timezone(ahead if stated.group(1) == "+" else -ahead)
    elif (named := _ABBREVIATION.search(text)) and named.group(1) not in ("AM", "PM"):
        if named.group(1) not in _ZONES:
            return None
        text, zone = text[: named.start()], timezone(timedelta(minutes=_ZONES[named.group(1)]))
    text = _NUMBERED_MONTH.sub(r"-\1-", _ISO_T.sub(r"\1 \2", text))
    clock = _CLOCK.search(text) or _CLOCK_WITH_DOTS.search(text)
    rest = text[: clock.start()] + " " + text[clock.end() :] if clock else text
    hours = _hours(clock, text) if clock else timedelta(hours=12)  # a day without a time: its middle
    moments = []
    for day in _calendar_days(rest):
        try:
            moments.append((datetime(*day, tzinfo=zone) + hours).astimezone(UTC))
        except (ValueError, OverflowError):
            continue
    if len(moments) > 1 and before is not None:
        moments = [moment for moment in moments if moment <= before + _SLACK]
    return moments[0] if len(moments) == 1 else None


def _hours(clock: re.Match[str], text: str) -> timedelta:
    hour, minute, second = int(clock.group(1)), int(clock.group(2)), int(clock.group(3) or 0)
    half = (clock.group(4) or "").lower()
    if half == "p" or (not half and _AFTERNOON.search(text)):
        hour = hour + 12 if hour < 12 else hour
    elif half == "a" or _MORNING.search(text):
        hour = 0 if hour == 12 else hour
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _calendar_days(text: str) -> list[tuple[int, int, int]]:
    """The days that a text may name: 3/4 is two."""
    if found := _YEAR_FIRST.search(text):
        return [(int(found.group(1)), int(found.group(2)), int(found.group(3)))]
    if found := _DAY_FIRST.search(text):
        first, second, year = int(found.group(1)), int(found.group(3)), int(found.group(4))
        year += 2000 if year < 100 else 0
        if found.group(2) == "." or first > 12 or first == second:
            return [(year, second, first)]
        return [(year, first, second)] if second > 12 else [(year, first, second), (year, second, first)]
    day = _named_day(text)
    return [day] if day else []


def _named_day(text: str) -> tuple[int, int, int] | None:
    year_found = _YEAR.search(text)
    months = list(dict.fromkeys(month for word in _WORD.findall(text.casefold()) if (month := _month(word))))
    if len(months) == 2:
        del months[0]  # "mar" is Tuesday too, and stands before the date then
    if not year_found or len(months) != 1:
        return None
    days = _DAY.search(text[: year_found.start()] + " " + text[year_found.end() :])
    return (int(year_found.group(1)), months[0], int(days.group(1))) if days else None


def _month(word: str) -> int | None:
    """A name of a month; Hebrew puts "in" before it, as one word with it."""
    return _months().get(word) or (_months().get(word[1:]) if word.startswith("ב") else None)


@cache
def _months() -> dict[str, int]:
    """Every name and short name of a month; one that means two months in two languages (listopad) means none."""
    meanings: dict[str, set[int]] = {}
    for language in LANGUAGES:
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                for number, name in dates.get_month_names(width, context, language).items():
                    for word in _WORD.findall(name.casefold()):
                        meanings.setdefault(word, set()).add(number)
    return {word: numbers.pop() for word, numbers in meanings.items() if len(numbers) == 1}
