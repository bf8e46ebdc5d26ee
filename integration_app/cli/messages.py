"""`messages` and `messages show`: what arrived, where it stands, and the whole story of one message."""

from __future__ import annotations

from datetime import datetime

import click

from integration_app import operations
from integration_app.cli.output import NOT_FOUND, acting, as_json, fail, services, table
from integration_app.model import RECORDED, MessageState, read_event
from integration_app.operations.events import sentences


@click.group(invoke_without_command=True)
@click.option("--uid", help="Only messages for this uid.")
@click.option("--state", type=click.Choice([*(state.value for state in MessageState), RECORDED]))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def messages(context: click.Context, uid: str | None, state: str | None, limit: int, want_json: bool) -> None:
    """List the latest messages, newest first."""
    if context.invoked_subcommand:
        return
    with services() as found:
        rows = found.timeline.latest(limit=limit, uid=uid, state=state)
    if want_json:
        as_json(rows)
        return
    table(
        ("id", "received (UTC)", "from", "channel", "state", "for"),
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
        story = found.timeline.show(message_id)
    if story is None:
        fail(f"no message {message_id} (any more)", NOT_FOUND)
    if want_json:
        as_json(story)
        return
    click.echo(f"{story['id']}: {story['channel']} from {story['sender']} via {story['provider']}")
    click.echo(f"  event {story['event_id']}")
    for event in story["events"]:
        first, *more = sentences(read_event(event))
        click.echo(f"  {_time(event['at'], '%Y-%m-%d %H:%M:%S.%f')[:-3]} UTC  {first}")
        for line in more:
            click.echo(f"{' ' * 32}{line}")
    for to in story["recipients"]:
        why = f": {to['why']}" if to.get("why") else ""
        until = f", leaves {_time(to['until'], '%Y-%m-%d %H:%M:%S')} UTC" if to.get("until") else ""
        click.echo(f"  now  {to['uid']} is {to['state']}{why}{until}")
        if to["state"] == MessageState.QUARANTINED:
            click.echo(f"       deliver it: omi-inbox quarantine release {message_id} --uid {to['uid']}", err=True)


@messages.command("text")
@click.argument("message_id")
@click.option("--whole", is_flag=True, help="With the mail that it answers, which is not delivered.")
@click.option("--json", "want_json", is_flag=True)
def text_of(message_id: str, whole: bool, want_json: bool) -> None:
    """Print what one message says. That is written into its story and into the log."""
    with acting() as found:
        text = operations.text_of(found, message_id, by="operator (command line)", whole=whole)
    if text is None:
        fail(f"no text of {message_id} (any more)", NOT_FOUND)
    if want_json:
        as_json({"id": message_id, "text": text})
        return
    click.echo(text.encode("utf-8", "replace"))


def _time(iso: str, form: str) -> str:
    return datetime.fromisoformat(iso).strftime(form)
