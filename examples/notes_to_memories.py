"""A folder of Markdown notes as memories, 25 a call, tags kept: `python notes_to_memories.py ~/notes`"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from integration_app.omi import DeveloperClient, NewDeveloperMemory, retrying
from integration_app.transfer import readers
from integration_app.transfer.items import MemoryItem


def main(folder: str) -> None:
    items = readers.read(Path(folder), readers.Options(), "notes")
    memories = [NewDeveloperMemory(item.content, tags=item.tags) for item in items if isinstance(item, MemoryItem)]
    with DeveloperClient(os.environ["OMI_DEVELOPER_KEY"], base_url=os.environ["OMI_BASE_URL"]) as client:
        made = retrying(client).create_memories(memories)
    print(f"Created {len(made)} memories")


if __name__ == "__main__":
    main(sys.argv[1])
