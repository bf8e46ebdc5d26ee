"""Texts of one thread to conversations: those of a day, a week or a month that follow each other closely enough.

Omi allows few conversations an hour, so years of texts are better brought in by the month.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from integration_app.text.clean import clean
from integration_app.transfer.items import ConversationItem, Line

SPANS = {
    "day": (timedelta(days=1), timedelta(hours=6)),
    "week": (timedelta(days=7), timedelta(days=2)),
    "month": (timedelta(days=31), timedelta(days=14)),
}
"""How long a conversation may last, and how long a pause in it."""

_TEXT_MAX = 90_000


def conversations(said: Iterable[tuple[datetime, Line]], spec: str, per: str = "day") -> Iterator[ConversationItem]:
    """In the order of time; texts of one conversation keep their own order."""
    span, pause = SPANS[per]
    group: list[tuple[datetime, Line]] = []
    size = 0
    for moment, line in sorted(said, key=lambda row: row[0]):
        text = clean(line.text)
        if not text:
            continue
        ends = group and (
            moment - group[-1][0] > pause or moment - group[0][0] > span or size + len(text) + 200 > _TEXT_MAX
        )
        if ends:
            yield _one(group, spec, dated=per != "day")
            group, size = [], 0
        group.append((moment, Line(line.speaker, text, line.is_user)))
        size += len(text) + len(line.speaker) + 20
    if group:
        yield _one(group, spec, dated=per != "day")


def _one(group: list[tuple[datetime, Line]], spec: str, *, dated: bool) -> ConversationItem:
    """With `dated`, the first text of each day says which day that was."""
    begun, day = group[0][0], None
    lines: list[Line] = []
    for moment, line in group:
        text = f"[{moment:%d %b %Y}] {line.text}" if dated and moment.date() != day else line.text
        day = moment.date()
        lines.append(Line(line.speaker, text, line.is_user, (moment - begun).total_seconds(), None))
    return ConversationItem(tuple(lines), begun, group[-1][0], "message", spec)
