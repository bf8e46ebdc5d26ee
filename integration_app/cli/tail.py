"""`omi-inbox tail`: what happens to messages, as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from integration_app.bootstrap import Services
from integration_app.cli.output import services
from integration_app.model import Story
from integration_app.operations.events import sentences

_LOOKED_AT = 100
"""The newest messages: what happens to older ones is seen with `messages show`."""


@click.command()
@click.option("--uid", help="Only messages for this uid.")
@click.option("--last", default=10, show_default=True, type=click.IntRange(0, _LOOKED_AT), help="Begin with so many.")
@click.option("--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Seconds between looks.")
@click.option("--json", "want_json", is_flag=True, help="One line of JSON for each event.")
def tail(uid: str | None, last: int, every: float, want_json: bool) -> None:
    """Follow what happens to messages, until Ctrl-C. Never their text."""
    with services() as found:
        told = {story.id: len(story.events) for story in _stories(found, uid)[last:]}  # what was before is not told
        try:
            while True:
                for story, event in _news(found, uid, told):
                    click.echo(json.dumps(event) if want_json else _line(story, event))
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _news(found: Services, uid: str | None, told: dict[str, int]) -> Iterator[tuple[Story, dict[str, Any]]]:
    """Events not told yet, oldest first; `told`: message id → how many of its events were."""
    fresh: list[tuple[datetime, Story, dict[str, Any]]] = []
    for story in _stories(found, uid):
        for event in story.events[told.get(story.id, 0) :]:
            said = {"at": event.at.isoformat(), "message": story.id, "event": event.name, "says": sentences(event)[0]}
            fresh.append((event.at, story, said))
        told[story.id] = max(told.get(story.id, 0), len(story.events))
    for _, story, said in sorted(fresh, key=lambda row: row[0]):
        yield story, said


def _stories(found: Services, uid: str | None) -> list[Story]:
    return list(found.inbox.of(uid, _LOOKED_AT) if uid else found.inbox.latest(_LOOKED_AT))


def _line(story: Story, event: dict[str, Any]) -> str:
    at = datetime.fromisoformat(event["at"])
    where = f"{story.message.channel} via {story.message.provider}"
    return f"{at:%H:%M:%S}  {click.style(story.id, bold=True)}  {where}  {event['says']}"
