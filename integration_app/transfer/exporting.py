"""Omi to files: JSONL, a folder of Markdown, CSV, SQLite. Incremental: what is there already is not written again."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, Any]
KINDS = ("conversations", "memories", "action_items")
FORMATS = ("jsonl", "markdown", "csv", "sqlite")


class Sink(Protocol):
    """`add` returns False for a row that it has already."""

    def add(self, kind: str, row: Row) -> bool: ...

    def close(self) -> None: ...


def sink(path: Path, form: str) -> Sink:
    makers: dict[str, Callable[[Path], Sink]] = {
        "jsonl": _Jsonl,
        "markdown": _Markdown,
        "csv": _Csv,
        "sqlite": _Sqlite,
    }
    return makers[form](path)


def rows(items: Iterable[Any]) -> Iterator[Row]:
    """The client's values as plain rows: times in ISO 8601, everything that Omi gave."""
    for item in items:
        values = asdict(item) if is_dataclass(item) and not isinstance(item, type) else dict(item)
        for name in ("title", "text"):
            if isinstance(said := getattr(item, name, None), str) and said:
                values[name] = said
        yield {name: _plain(value) for name, value in values.items() if value not in (None, (), {})}


class _Jsonl:
    """A folder with one file for each kind, one row a line."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._known: dict[str, set[str]] = {}

    def add(self, kind: str, row: Row) -> bool:
        file = self._path / f"{kind}.jsonl"
        known = self._known.setdefault(kind, _ids(file))
        if row["id"] in known:
            return False
        known.add(row["id"])
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        return True

    def close(self) -> None:
        return


class _Markdown:
    """A folder for each kind, a file for each item, front matter on top: readable, and importable again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: str, row: Row) -> bool:
        folder = self._path / kind
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob(f"*{_safe(str(row['id']))[:40]}.md")):
            return False
        title = str(row.get("title") or row.get("content") or row.get("description") or row["id"])
        moment = str(row.get("started_at") or row.get("created_at") or "")
        front = {"title": title.replace("\n", " ")[:200], "date": moment, "id": row["id"]}
        front |= {"tags": ", ".join(row["tags"])} if row.get("tags") else {}
        body = str(row.get("text") or row.get("content") or row.get("description") or "")
        overview = str((row.get("structured") or {}).get("overview") or "")
        lines = ["---", *(f"{name}: {value}" for name, value in front.items() if value), "---", ""]
        lines += [overview, ""] if overview and not body else []
        name = f"{moment[:10] or 'undated'} {_safe(title)[:60]} {_safe(str(row['id']))[:40]}.md"
        (folder / name).write_text("\n".join([*lines, body, ""]), encoding="utf-8")
        return True

    def close(self) -> None:
        return


class _Csv:
    """A folder with one table for each kind, the same columns every time."""

    columns = {  # noqa: RUF012 - a constant
        "conversations": ("id", "started_at", "finished_at", "title", "source", "language", "text"),
        "memories": ("id", "created_at", "content", "category", "tags"),
        "action_items": ("id", "created_at", "description", "completed", "due_at", "completed_at"),
    }

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._known: dict[str, set[str]] = {}

    def add(self, kind: str, row: Row) -> bool:
        file, columns = self._path / f"{kind}.csv", self.columns[kind]
        if kind not in self._known:
            with file.open("a+", encoding="utf-8", newline="") as table:
                table.seek(0)
                self._known[kind] = {line["id"] for line in csv.DictReader(table)}
                if table.tell() == 0:
                    csv.writer(table).writerow(columns)
        if row["id"] in self._known[kind]:
            return False
        self._known[kind].add(row["id"])
        with file.open("a", encoding="utf-8", newline="") as table:
            csv.writer(table).writerow([_cell(row.get(name, "")) for name in columns])
        return True

    def close(self) -> None:
        return


class _Sqlite:
    """One file, one table for each kind; the whole row stands in `json`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path)
        for kind in KINDS:
            self._db.execute(
                f"CREATE TABLE IF NOT EXISTS {kind} (id TEXT PRIMARY KEY, at TEXT, text TEXT, json TEXT NOT NULL)"
            )

    def add(self, kind: str, row: Row) -> bool:
        if kind not in KINDS:
            raise ValueError(kind)
        at = row.get("started_at") or row.get("created_at")
        text = row.get("text") or row.get("content") or row.get("description") or row.get("title")
        values = (row["id"], at, text, json.dumps(row, ensure_ascii=False))
        return bool(self._db.execute(f"INSERT OR IGNORE INTO {kind} VALUES (?, ?, ?, ?)", values).rowcount)  # noqa: S608

    def close(self) -> None:
        self._db.commit()
        self._db.close()


def _ids(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()}


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", " ", text).strip(" .") or "item"


def _cell(value: Any) -> str:
    """A spreadsheet must not take a text for a formula."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
