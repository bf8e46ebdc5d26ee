"""`quarantine`: messages whose sender is not believed; seven days to release them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

from integration_app.cli.output import NOT_FOUND, acting, as_json, fail, json_option, say, services, table
from integration_app.logs import masked
from integration_app.model import Received


@click.group(invoke_without_command=True)
@click.option("--uid", help="Only what is held for this uid.")
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def quarantine(context: click.Context, uid: str | None, want_json: bool) -> None:
    """List what is held because its sender is not believed, oldest first."""
    if context.invoked_subcommand:
        return
    with services() as found:
        rows = []
        for message_id, whose, at in found.quarantine.held(limit=100_000):
            if (uid and whose != uid) or re.search(r"p\d+\Z", message_id):  # a part goes with its first one
                continue
            story = found.inbox.story(message_id)
            if story is None:
                continue
            trust = next((event.trust or {} for event in story.events if isinstance(event, Received)), {})
            why = trust.get(whose, {}).get("why", ())
            rows.append(
                {
                    "id": message_id,
                    "uid": whose,
                    "received_at": at.isoformat(),
                    "held_until": (at + timedelta(days=found.settings.quarantine_days)).isoformat(),
                    "sender": masked(story.message.sender),
                    "provider": story.message.provider,
                    "why": why[-1] if why else "",
                }
            )
    if want_json:
        as_json(rows)
        return
    table(
        ("id", "uid", "from", "via", "held until (UTC)", "why"),
        [
            (row["id"], row["uid"], row["sender"], row["provider"], _minute(row["held_until"]), row["why"])
            for row in rows
        ],
    )


def _minute(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M}"


@quarantine.command()
@click.argument("message_id")
@click.option("--uid", required=True)
@json_option
def release(message_id: str, uid: str) -> None:
    """Deliver a held message after all."""
    with acting() as found:
        if not found.quarantine.release(message_id, uid, by="operator", now=found.clock()):
            fail(f"{message_id} is not held for {uid} (any more)", NOT_FOUND)
        say(f"{message_id} goes to {uid}", message=message_id, uid=uid, state="waiting")


@quarantine.command()
@click.argument("message_id")
@click.option("--uid", required=True)
@json_option
def drop(message_id: str, uid: str) -> None:
    """Never deliver a held message."""
    with acting() as found:
        if not found.quarantine.drop(message_id, uid, why="operator", now=found.clock()):
            fail(f"{message_id} is not held for {uid} (any more)", NOT_FOUND)
        say(f"{message_id} will not go to {uid}", message=message_id, uid=uid, state="dropped")
