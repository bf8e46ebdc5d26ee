"""Texts of one thread to conversations: what was said within one day, with no pause of more than six hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from integration_app.mail.clean import clean
from integration_app.transfer.items import ConversationItem, Line

_PAUSE = timedelta(hours=6)
_SPAN = timedelta(days=1)
_TEXT_MAX = 90_000


def conversations(said: Iterable[tuple[datetime, Line]], spec: str) -> Iterator[ConversationItem]:
    """In the order of time; texts of one conversation keep their own order."""
    group: list[tuple[datetime, Line]] = []
    size = 0
    for moment, line in sorted(said, key=lambda row: row[0]):
        text = clean(line.text)
        if not text:
            continue
        row = (moment, Line(line.speaker, text, line.is_user))
        if group and (
            moment - group[-1][0] > _PAUSE or moment - group[0][0] > _SPAN or size + len(text) + 200 > _TEXT_MAX
        ):
            yield _one(group, spec)
            group, size = [], 0
        group.append(row)
        size += len(text) + len(line.speaker) + 4
    if group:
        yield _one(group, spec)


def _one(group: list[tuple[datetime, Line]], spec: str) -> ConversationItem:
    begun = group[0][0]
    lines = tuple(
        Line(line.speaker, line.text, line.is_user, (moment - begun).total_seconds(), None) for moment, line in group
    )
    return ConversationItem(lines, begun, group[-1][0], "message", spec)
