"""Omi's action items and a todo.txt (http://todotxt.org), kept the same: `python task_sync.py todo.txt`

What is new on either side appears on the other; what is done on either side is done on both.
"""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from integration_app.omi import ActionItem, DeveloperClient, NewActionItem, retrying

DUE = re.compile(r"\s*due:(\d{4}-\d{2}-\d{2})")


def read(path: Path) -> dict[str, tuple[bool, datetime | None]]:
    """Description → done, due."""
    found: dict[str, tuple[bool, datetime | None]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        done, words = line.startswith("x "), line.removeprefix("x ").strip()
        due = DUE.search(words)
        when = datetime.fromisoformat(due.group(1)).replace(tzinfo=UTC) if due else None
        if description := DUE.sub("", words).strip():
            found[description] = (done, when)
    return found


def line(description: str, done: bool, due: datetime | None) -> str:
    return f"{'x ' if done else ''}{description}{f' due:{due:%Y-%m-%d}' if due else ''}"


def main(name: str) -> None:
    path = Path(name)
    here = read(path)
    with DeveloperClient(os.environ["OMI_DEVELOPER_KEY"], base_url=os.environ["OMI_BASE_URL"]) as client:
        omi = retrying(client)
        there: dict[str, ActionItem] = {item.description: item for item in omi.iter_action_items()}
        new = [NewActionItem(words, done, due) for words, (done, due) in here.items() if words not in there]
        omi.create_action_items(new)
        for words, item in there.items():
            done, due = here.get(words, (False, None))
            if done and not item.completed:
                omi.update_action_item(item.id, completed=True)
            here[words] = (done or item.completed, due or item.due_at)
    path.write_text("".join(f"{line(words, *row)}\n" for words, row in here.items()), encoding="utf-8")
    print(f"{len(new)} new in Omi, {len(here)} in {path.name}")


if __name__ == "__main__":
    main(sys.argv[1])
