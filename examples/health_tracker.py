"""A week of a fitness tracker (CSV: date, steps, sleep) as one conversation: `python health_tracker.py week.csv`"""

from __future__ import annotations

import csv
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from integration_app.omi import IntegrationsClient, NewConversation, retrying


def main(path: str) -> None:
    with Path(path).open(encoding="utf-8", newline="") as file:
        days = list(csv.DictReader(file))
    steps, sleep = [int(day["steps"]) for day in days], [float(day["sleep"]) for day in days]
    best = max(days, key=lambda day: int(day["steps"]))
    text = (
        f"Me: My week: {mean(steps):,.0f} steps a day, most on {best['date']} ({int(best['steps']):,}). "
        f"I slept {mean(sleep):.1f} hours a night."
    )
    begun = datetime.fromisoformat(days[0]["date"]).replace(tzinfo=UTC)
    ended = datetime.fromisoformat(days[-1]["date"]).replace(tzinfo=UTC)
    with IntegrationsClient(
        os.environ["OMI_APP_ID"], os.environ["OMI_API_KEY"], base_url=os.environ["OMI_BASE_URL"]
    ) as client:
        retrying(client).create_conversation(
            os.environ["OMI_UID"],
            NewConversation(
                text=text, text_source="other_text", text_source_spec="health", started_at=begun, finished_at=ended
            ),
        )
    print(text)


if __name__ == "__main__":
    main(sys.argv[1])
