"""A meeting's transcript, with who said what: `python meeting_summary.py "2026-11-20 1000 planning.vtt" "Ana Pérez"`

Sending the same file again makes no second conversation: the session id is made of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from integration_app.omi import DeveloperClient, retrying
from integration_app.transfer import readers
from integration_app.transfer.places import Oneself


def main(path: str, me: str) -> None:
    with DeveloperClient(os.environ["OMI_DEVELOPER_KEY"], base_url=os.environ["OMI_BASE_URL"]) as client:
        omi = retrying(client)
        Oneself(omi).send(list(readers.read(Path(path), readers.Options(me=(me,)))))
        newest = omi.conversations(limit=1)[0]
        print(newest.title)
        for item in omi.action_items(conversation_id=newest.id):
            print(f"  to do: {item.description}" + (f" (by {item.due_at:%d %b})" if item.due_at else ""))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
