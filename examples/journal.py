"""A journal's entry of today, as a conversation: `python journal.py "Slept well. I need to call Mara tomorrow."`"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from integration_app.omi import IntegrationsClient, NewConversation, retrying


def main(entry: str) -> None:
    with IntegrationsClient(
        os.environ["OMI_APP_ID"], os.environ["OMI_API_KEY"], base_url=os.environ["OMI_BASE_URL"]
    ) as client:
        retrying(client).create_conversation(
            os.environ["OMI_UID"],
            NewConversation(
                text=entry, text_source="other_text", text_source_spec="journal", started_at=datetime.now(UTC)
            ),
        )
    print("kept")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or sys.stdin.read())
