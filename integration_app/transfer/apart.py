"""Read an uploaded file in a process of its own, with limits: `python -m integration_app.transfer.apart FOLDER`.

The folder belongs to the parent, which takes it away in any case: `file.…` and `asked.json` go in, `items.jsonl` comes
out, a line for each item, or one that says what is wrong.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from integration_app.model import ImportRow, Kind
from integration_app.transfer.items import ConversationItem, Item, MemoryItem, UnreadableFile, digest
from integration_app.transfer.readers import Options, read

ITEMS_MAX = 5_000
_TAGS_MAX = 20
_MEMORY_MAX = 800_000_000
_SECONDS = 30
_ANSWER_MAX = 25_000_000
"""Bytes: more than a file of the allowed size becomes, unless it was made to."""
_FREE = threading.BoundedSemaphore(2)
_TIMES = ("started_at", "finished_at")


def read_apart(data: bytes, name: str, *, me: str, zone: str, per: str, has_tasks: bool) -> list[ImportRow]:
    """Every item of an uploaded file. Raises `UnreadableFile` with what is wrong, never with words of the file."""
    if not _FREE.acquire(timeout=5):
        raise UnreadableFile("other files are being read: try again in a minute")
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, _safe(name)).write_bytes(data)
            asked = {"name": _safe(name), "me": me, "zone": zone, "per": per, "has_tasks": has_tasks}
            Path(folder, "asked.json").write_text(json.dumps(asked))
            return _answer(folder)
    finally:
        _FREE.release()


def _answer(folder: str) -> list[ImportRow]:
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", __name__, folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS + 10,
            # no environment: no secret of ours is within a reader's reach
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableFile("it takes too long to read: split it") from None
    try:
        with Path(folder, "items.jsonl").open(encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
        if found and "wrong" in found[-1]:
            raise UnreadableFile(str(found[-1]["wrong"]))
        rows = [_row(values) for values in found]
    except (OSError, ValueError, KeyError, TypeError):
        rows = None
    if ended.returncode or rows is None:
        raise UnreadableFile("it takes too much to read: split it")
    return rows


def _safe(name: str) -> str:
    """A file's name without what a folder could stumble over; a reader sees what it ends in."""
    stem, dot, suffix = Path(name.replace("\0", "")).name.rpartition(".")
    stem, suffix = (stem, suffix) if dot else (suffix, "")
    return f"file-{re.sub(r'[^A-Za-z0-9 _-]', '', stem)[:40]}{dot}{re.sub(r'[^A-Za-z0-9]', '', suffix)[:10]}"


def _row(values: dict[str, Any]) -> ImportRow:
    times = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in _TIMES}
    return ImportRow(**values | times | {"kind": Kind(values["kind"]), "tags": tuple(values["tags"])})


def as_row(item: Item, *, has_tasks: bool, uploaded_at: datetime) -> ImportRow:
    """An item as it is taken in: a task is a conversation where Omi takes none. What says no time of its own has that
    of the upload, which is another at each one, so it names nothing.
    """
    if isinstance(item, ConversationItem):
        # without names: the same file is the same, whatever its owner says that they are called in it
        at = item.started_at.isoformat() if item.started_at < uploaded_at else ""
        key = digest("conversation", item.spec, at, *(line.text for line in item.lines))
        return ImportRow(
            key, Kind.CONVERSATION, item.text, item.source, item.spec, (), item.started_at, item.finished_at
        )
    if isinstance(item, MemoryItem):
        return ImportRow(item.key, Kind.MEMORIES, item.content, "other", "import", item.tags[:_TAGS_MAX])
    due = f" by {item.due_at:%Y-%m-%d}" if item.due_at else ""
    text = item.description if has_tasks else f"Me: To do: {item.description}{due}"
    return ImportRow(item.key, Kind.TASKS if has_tasks else Kind.CONVERSATION, text, "message", "task")


def main(folder: Path) -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_MAX),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, _ANSWER_MAX),
    ):
        resource.setrlimit(what, (most, most))
    signal.alarm(_SECONDS)
    asked = json.loads((folder / "asked.json").read_text())
    options = Options(me=tuple(filter(None, [asked["me"]])), zone=ZoneInfo(asked["zone"]), per=asked["per"])
    with (folder / "items.jsonl").open("w", encoding="utf-8") as out:
        for line in _lines(folder / asked["name"], options, has_tasks=asked["has_tasks"]):
            out.write(f"{json.dumps(line, default=lambda moment: moment.isoformat())}\n")


def _lines(path: Path, options: Options, *, has_tasks: bool) -> list[dict[str, Any]]:
    uploaded_at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    try:
        items = islice(read(path, options), ITEMS_MAX + 1)
        rows = [as_row(item, has_tasks=has_tasks, uploaded_at=uploaded_at) for item in items]
    except UnreadableFile as error:
        why = str(error).replace("; say --kind", "").replace(f"{path.name}: ", "").replace(path.name, "it")
        return [{"wrong": why}]
    except Exception:  # noqa: BLE001 - whatever a reader raises at a broken file
        return [{"wrong": "it is broken, or not what it is called"}]
    if len(rows) > ITEMS_MAX:
        return [{"wrong": f"there are more than {ITEMS_MAX} items in it: split it"}]
    return list(map(asdict, rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
