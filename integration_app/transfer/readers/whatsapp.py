"""A chat that WhatsApp exported: `12/31/25, 9:41 PM - Ana: Hello`, or with brackets and seconds on iPhones.

The order of day and month depends on the phone; the first line that can be read in one way only decides for the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from integration_app.transfer.items import Item, Line, UnreadableFile
from integration_app.transfer.readers.threads import conversations

_INVISIBLE = re.compile("[\u200e\u200f\u202a-\u202e\ufeff]")
_HEAD = re.compile(
    r"\[?(\d{1,4})[./-](\d{1,2})[./-](\d{2,4}),?\s+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?\s?([ap])?\.?\s?(?:m\.?)?\]?"
    r"\s?(?:-\s)?(.*)",
    re.IGNORECASE | re.DOTALL,
)
_SPEAKER = re.compile(r"([^:\n]{1,80}):\s(.*)", re.DOTALL)


def looks_like(text: str) -> bool:
    lines = [_INVISIBLE.sub("", line) for line in text.splitlines()[:5]]
    return sum(bool(_HEAD.fullmatch(line)) for line in lines) >= min(2, len(lines)) and bool(lines)


def read(path: Path, me: tuple[str, ...], zone: tzinfo, per: str = "day") -> Iterator[Item]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    heads = [found for line in text.splitlines() if (found := _HEAD.fullmatch(_INVISIBLE.sub("", line)))]
    if not heads:
        raise UnreadableFile(f"{path.name}: not a chat that WhatsApp exported")
    day_first = _day_first([(int(found.group(1)), int(found.group(2))) for found in heads])
    mine = {name.lower() for name in me}
    said: list[tuple[datetime, str, list[str]]] = []
    for raw in text.splitlines():
        line = _INVISIBLE.sub("", raw)
        found = _HEAD.fullmatch(line)
        moment = _moment(found, day_first, zone) if found else None
        spoken = _SPEAKER.fullmatch(found.group(8)) if found and moment else None
        if moment and spoken:
            said.append((moment, spoken.group(1).strip(), [_media(spoken.group(2))]))
        elif not found and said:
            said[-1][2].append(line)
    lines = [(at, Line(name, "\n".join(words), name.lower() in mine)) for at, name, words in said]
    yield from conversations(lines, "whatsapp", per)


def _day_first(pairs: list[tuple[int, int]]) -> bool:
    for first, second in pairs:
        if first > 12:
            return True
        if second > 12:
            return False
    return True


def _moment(found: re.Match[str], day_first: bool, zone: tzinfo) -> datetime | None:
    one, two, three = (int(found.group(number)) for number in (1, 2, 3))
    if one > 31:
        year, month, day = one, two, three
    else:
        year = three + 2000 if three < 100 else three
        day, month = (one, two) if day_first else (two, one)
    hour, minute, second = int(found.group(4)), int(found.group(5)), int(found.group(6) or 0)
    half = (found.group(7) or "").lower()
    hour = hour % 12 + (12 if half == "p" else 0) if half else hour
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except ValueError:
        return None


def _media(text: str) -> str:
    return re.sub(r"<Media omitted>|<attached: [^>]{1,200}>", "[Attachment]", text)
