"""Read an uploaded file in a process of its own: `python -m integration_app.transfer.apart < file`, with its name and
the options as JSON in the first line. A line of JSON for each item comes back, or one that says what is wrong.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from integration_app.model import ImportRow, Kind
from integration_app.transfer.items import ConversationItem, Item, MemoryItem, UnreadableFile
from integration_app.transfer.readers import Options, read

ITEMS_MAX = 5_000
_MEMORY_MAX = 1_000_000_000
_SECONDS = 40
_ANSWER_MAX = 60_000_000
_FREE = threading.BoundedSemaphore(1)


def read_apart(data: bytes, name: str, *, me: str, zone: str, per: str, has_tasks: bool) -> list[ImportRow]:
    """Every item of an uploaded file. Raises `UnreadableFile` with what is wrong, never with words of the file."""
    if not _FREE.acquire(timeout=5):
        raise UnreadableFile("another file is being read: try again in a minute")
    head = json.dumps({"name": Path(name).name[-80:], "me": me, "zone": zone, "per": per, "has_tasks": has_tasks})
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", __name__],
            input=head.encode() + b"\n" + data,
            capture_output=True,
            timeout=_SECONDS + 10,
            env={"LC_ALL": "C.UTF-8", "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnreadableFile("it takes too long to read: split it") from None
    finally:
        _FREE.release()
    lines = ended.stdout[:_ANSWER_MAX].splitlines()
    found = [json.loads(line) for line in lines] if ended.returncode == 0 else []
    if ended.returncode or (found and "wrong" in found[-1]):
        raise UnreadableFile(str(found[-1]["wrong"]) if found else "it takes too much to read: split it")
    return [_row(values) for values in found]


def _row(values: dict[str, Any]) -> ImportRow:
    times = {name: datetime.fromisoformat(values[name]) if values[name] else None for name in _TIMES}
    return ImportRow(**values | times | {"kind": Kind(values["kind"]), "tags": tuple(values["tags"])})


_TIMES = ("started_at", "finished_at")


def as_row(item: Item, *, has_tasks: bool) -> ImportRow:
    """An item as it is taken in: a task is a conversation where Omi takes none."""
    if isinstance(item, ConversationItem):
        return ImportRow(
            item.key, Kind.CONVERSATION, item.text, item.source, item.spec, (), item.started_at, item.finished_at
        )
    if isinstance(item, MemoryItem):
        return ImportRow(item.key, Kind.MEMORIES, item.content, "other", "import", item.tags)
    due = f" by {item.due_at:%Y-%m-%d}" if item.due_at else ""
    text = item.description if has_tasks else f"Me: To do: {item.description}{due}"
    return ImportRow(item.key, Kind.TASKS if has_tasks else Kind.CONVERSATION, text, "message", "task")


def main() -> None:
    for what, most in ((resource.RLIMIT_AS, _MEMORY_MAX), (resource.RLIMIT_CPU, _SECONDS), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))
    signal.alarm(_SECONDS)
    asked = json.loads(sys.stdin.buffer.readline())
    options = Options(me=tuple(filter(None, [asked["me"]])), zone=ZoneInfo(asked["zone"]), per=asked["per"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / asked["name"]
        path.write_bytes(sys.stdin.buffer.read())
        try:
            rows = [as_row(item, has_tasks=asked["has_tasks"]) for item in islice(read(path, options), ITEMS_MAX + 1)]
            for row in rows[:ITEMS_MAX]:
                print(json.dumps(asdict(row), default=lambda moment: moment.isoformat()))
            if len(rows) > ITEMS_MAX:
                print(json.dumps({"wrong": f"there are more than {ITEMS_MAX} items in it: split it"}))
        except UnreadableFile as error:
            print(json.dumps({"wrong": str(error).replace("; say --kind", "")}))
        except Exception:  # noqa: BLE001 - whatever a reader raises at a broken file
            print(json.dumps({"wrong": "it is broken, or not what it is called"}))


if __name__ == "__main__":
    main()
