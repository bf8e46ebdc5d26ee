"""CSV and JSON lines: memories (`content`, `tags`) or tasks (`description`, `completed`, `due_at`).

Usual names of other programs' columns are understood; a row without the main column is an error with its number.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from integration_app.transfer.items import Item, MemoryItem, TaskItem, UnreadableFile

_CONTENT = ("content", "memory", "text", "note", "fact")
_DESCRIPTION = ("description", "task", "title", "name", "todo", "summary")
_DUE = ("due_at", "due", "due_date", "deadline", "date")
_DONE = ("completed", "done", "status", "is_completed", "checked")
_TRUE = ("1", "true", "yes", "y", "done", "completed", "x", "✓")
_CONTENT_MAX = 500


def read_csv(path: Path, zone: tzinfo, as_what: str) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        sample = file.read(4096)
        file.seek(0)
        delimiter = max(",;\t", key=sample.partition("\n")[0].count)
        rows = csv.DictReader(file, delimiter=delimiter)
        try:
            for number, row in enumerate(rows, 2):
                yield _item(
                    {(name or "").strip().lower(): value for name, value in row.items()}, path, number, zone, as_what
                )
        except csv.Error as error:
            raise UnreadableFile(f"{path.name}: not a table ({error})") from None


def read_jsonl(path: Path, zone: tzinfo, as_what: str) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise UnreadableFile(f"{path.name}, line {number}: not JSON") from None
            if not isinstance(row, dict):
                raise UnreadableFile(f"{path.name}, line {number}: not an object")
            yield _item({str(name).lower(): value for name, value in row.items()}, path, number, zone, as_what)


def _item(row: Mapping[str, Any], path: Path, number: int, zone: tzinfo, as_what: str) -> Item:
    task, content = _first(row, _DESCRIPTION), _first(row, _CONTENT)
    is_task = as_what == "tasks" or (as_what == "auto" and task and (not content or _first(row, (*_DUE[:4], *_DONE))))
    if is_task and (task or content):
        due = _first(row, _DUE)
        return TaskItem((task or content)[:_CONTENT_MAX], _first(row, _DONE).lower() in _TRUE, _moment(due, zone))
    if content or task:
        return MemoryItem((content or task)[:_CONTENT_MAX], _tags(row.get("tags")))
    raise UnreadableFile(f"{path.name}, line {number}: neither {_CONTENT[0]} nor {_DESCRIPTION[0]}")


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(row[name]).strip() for name in names if row.get(name) not in (None, "")), "")


def _tags(value: Any) -> tuple[str, ...]:
    rows = value if isinstance(value, list) else str(value or "").replace(";", ",").split(",")
    return tuple(tag for row in rows if (tag := str(row).strip().lstrip("#")))


def _moment(value: str, zone: tzinfo) -> datetime | None:
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
