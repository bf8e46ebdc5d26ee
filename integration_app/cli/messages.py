"""`messages` and `messages show`: what arrived, where it stands, and the whole story of one message."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from integration_app import desk
from integration_app.cli.output import NOT_FOUND, as_json, fail, services, table
from integration_app.model import MessageState


@click.group(invoke_without_command=True)
@click.option("--uid", help="Only messages for this uid.")
@click.option("--state", type=click.Choice([*(state.value for state in MessageState), "recorded"]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def messages(context: click.Context, uid: str | None, state: str | None, limit: int, want_json: bool) -> None:
    """List the latest messages, newest first."""
    if context.invoked_subcommand:
        return
    with services() as found:
        rows = found.stories.latest(limit=limit, uid=uid, state=state)
    if want_json:
        as_json(rows)
        return
    table(
        ("id", "said (UTC)", "from", "channel", "state", "for"),
        [
            (
                row["id"],
                _time(row["received_at"], "%Y-%m-%d %H:%M:%S"),
                row["sender"],
                row["channel"],
                row["state"],
                " ".join(f"{to['uid']}:{to['state']}" for to in row["recipients"]) or "-",
            )
            for row in rows
        ],
    )


@messages.command()
@click.argument("message_id")
@click.option("--json", "want_json", is_flag=True)
def show(message_id: str, want_json: bool) -> None:
    """Tell the whole story of one message: received, verified, waiting, each attempt. Never its text."""
    with services() as found:
        story = found.stories.show(message_id)
    if story is None:
        fail(f"no message {message_id} (any more)", NOT_FOUND)
    if want_json:
        as_json(story)
        return
    click.echo(f"{story['id']}: {story['channel']} from {story['sender']} via {story['provider']}")
    click.echo(f"  event {story['event_id']}")
    for event in story["events"]:
        click.echo(f"  {_time(event['at'], '%Y-%m-%d %H:%M:%S.%f')[:-3]} UTC  {_sentence(event)}")
    for to in story["recipients"]:
        why = f": {to['why']}" if to.get("why") else ""
        until = f", lands {_time(to['until'], '%Y-%m-%d %H:%M:%S')} UTC" if to.get("until") else ""
        click.echo(f"  now  {to['uid']} is {to['state']}{why}{until}")
        if to["state"] == MessageState.QUARANTINED:
            click.echo(f"       deliver it: omi-inbox quarantine release {message_id} --uid {to['uid']}", err=True)


@messages.command("text")
@click.argument("message_id")
def text_of(message_id: str) -> None:
    """Print what one message says. Looking is written into its story and into the log."""
    with services() as found:
        said = desk.text_of(found, message_id, by="operator (command line)")
    if said is None:
        fail(f"no text of {message_id} (any more)", NOT_FOUND)
    click.echo(said.encode("utf-8", "replace"))


_CONTROL = {
    "LINK": "a link code",
    "LOOP": "it comes from one of our own addresses",
    "RECORDING": "a recording without words",
    "TRANSCRIPT": "a part of a live transcript without final words",
}


def _sentence(event: dict[str, Any]) -> str:
    if event["event"] == "received":
        if event.get("control"):
            why = _CONTROL.get(event["control"], f"{event['control']} is a word for the carrier")
            return f"received, its signature is genuine; {why}: recorded, not forwarded"
        lines = [f"received, its signature is genuine, for {', '.join(event['uids']) or 'nobody'}"]
        for uid, found in event.get("trust", {}).items():
            lines.append(f"{' ' * 32}{uid}: sender {found['level']} ({', '.join(found['why'])})")
        return "\n".join(lines)
    if event["event"] == "part":
        return f"a part of {event['of']}, which is too long for one"
    status = f" (HTTP {event['status']})" if event.get("status") else ""
    took = f" in {event['seconds']} s" if event.get("seconds") is not None else ""
    until = f" until {_time(event['until'], '%H:%M:%S')}" if event.get("until") else ""
    if event["event"] in ("replayed", "dropped by hand", "released", "dropped from quarantine", "seen in Omi"):
        what = event["by"] if event.get("by") else f"replay {event.get('replay')}"
        return f"{event['uid']}: {event['event']} ({what})"
    words = {
        "done": "done",
        "withdrawn": "not stored, waits",
        "unknown": "outcome unknown, will be looked up,",
        "parked": "parked",
        "dropped": "dropped",
    }
    what = words.get(event["event"], event["event"])
    reason = "" if event["reason"].startswith(event["outcome"]) else f": {event['reason']}"
    return f"{event['uid']}: {event['outcome']}{status}{took} → {what}{until}{reason}"


def _time(iso: str, form: str) -> str:
    return datetime.fromisoformat(iso).strftime(form)
