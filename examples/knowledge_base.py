"""What is worth remembering of a text: Omi extracts memories from it. `python knowledge_base.py chapter.txt`"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from integration_app.omi import IntegrationsClient, NewMemories, retrying


def main(path: str) -> None:
    text, uid = Path(path).read_text(encoding="utf-8"), os.environ["OMI_UID"]
    with IntegrationsClient(
        os.environ["OMI_APP_ID"], os.environ["OMI_API_KEY"], base_url=os.environ["OMI_BASE_URL"]
    ) as client:
        omi = retrying(client)
        before = {memory.id for memory in omi.iter_memories(uid)}
        omi.create_memories(uid, NewMemories(text=text, text_source="other", text_source_spec=Path(path).stem))
        for memory in omi.iter_memories(uid):
            if memory.id not in before:
                print(memory.content)


if __name__ == "__main__":
    main(sys.argv[1])
