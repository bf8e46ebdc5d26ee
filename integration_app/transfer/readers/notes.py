"""Markdown notes with front matter: a list becomes memories, line by line; anything longer is a conversation.

Front matter that is read: `title`, `date` (or `created`), `tags`, `type: memory | note`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

from integration_app.text.clean import clean
from integration_app.transfer.items import ConversationItem, Item, Line, MemoryItem

_RULE = re.compile(r"---[ \t]*")
_ROW = re.compile(r"([A-Za-z_-]{1,40})\s*:\s*(.*)")
_BULLET = re.compile(r"\s*(?:[-*+]|\d+\.)\s+(?:\[[ xX]\]\s+)?(.*\S)")
_TAG = re.compile(r"(?<![\w#/&])#([^\W\d_][\w-]{0,49})")
_CONTENT_MAX = 500


def read(path: Path, zone: tzinfo) -> Iterator[Item]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    front, body = _front(text)
    body = clean(body)
    if not body:
        return
    tags = tuple(dict.fromkeys([*_listed(front.get("tags", "")), *_TAG.findall(body)]))
    lines = [line for line in body.split("\n") if line.strip() and not line.startswith("#")]
    bullets = [found.group(1) for line in lines if (found := _BULLET.fullmatch(line))]
    if front.get("type") == "memory" or (bullets and len(bullets) == len(lines)):
        for content in bullets or [" ".join(body.split())]:
            yield MemoryItem(content[:_CONTENT_MAX], tags)
        return
    title = front.get("title") or path.stem
    moment = _moment(front.get("date") or front.get("created") or "", zone) or datetime.fromtimestamp(
        path.stat().st_mtime, UTC
    )
    head = f"Subject: {title}" + (f"\nTags: {', '.join(tags)}" if tags else "")
    yield ConversationItem((Line("Me", body, is_user=True),), moment, moment, "other_text", "note", head)


def _front(text: str) -> tuple[dict[str, str], str]:
    first, _, rest = text.partition("\n")
    lines = rest.split("\n")
    end = next((number for number, line in enumerate(lines) if _RULE.fullmatch(line)), None)
    if not _RULE.fullmatch(first) or end is None:
        return {}, text
    values: dict[str, str] = {}
    name = ""
    for line in lines[:end]:
        if row := _ROW.fullmatch(line):
            name = row.group(1).lower()
            values[name] = row.group(2).strip().strip("\"'")
        elif name and line.strip().startswith("- "):  # a list, one item a line
            values[name] = ", ".join(part for part in (values[name], line.strip()[2:].strip("\"' ")) if part)
    return values, "\n".join(lines[end + 1 :])


def _listed(value: str) -> list[str]:
    return [tag for part in value.strip("[] ").split(",") if (tag := part.strip().strip("\"'#"))]


def _moment(value: str, zone: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        try:
            moment = datetime.combine(date.fromisoformat(value[:10]), datetime.min.time())
        except ValueError:
            return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
