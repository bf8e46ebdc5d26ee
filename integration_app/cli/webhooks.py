"""`webhooks`: endpoints of the operator's own that are told what happens."""

from __future__ import annotations

from typing import NoReturn

import click

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.cli.output import (
    FAILED,
    NOT_FOUND,
    USAGE,
    acting,
    as_json,
    fail,
    json_option,
    say,
    services,
    table,
)
from integration_app.model.webhook_events import SUBSCRIBABLE, Endpoint

_KINDS = [kind.value for kind in SUBSCRIBABLE]


@click.group(invoke_without_command=True)
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def webhooks(context: click.Context, want_json: bool) -> None:
    """List the endpoints that are told what happens here."""
    if context.invoked_subcommand:
        return
    with services() as found:
        rows = operations.endpoints(found)
    if want_json:
        as_json(rows)
        return
    table(
        ("id", "state", "url", "events", "last", "again", "given up"),
        [
            (r["id"], r["state"], r["url"], " ".join(r["events"]), r["last_outcome"] or "-", r["waiting"],
             len(r["failed"]))
            for r in rows
        ],
    )  # fmt: skip


@webhooks.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, type=click.Choice(_KINDS), help="What it is told; default: all.")
@json_option
def add(url: str, events: tuple[str, ...]) -> None:
    """Tell URL what happens from now on. Prints its secret, this once."""
    with acting() as found:
        try:
            made, secret = operations.add_endpoint(found, url, events)
        except ValueError as error:
            fail(str(error), USAGE)
        say(f"{made.id} is told what happens from now on; its secret, shown this once:", id=made.id, secret=secret)
    _secret(secret)


@webhooks.command()
@click.argument("endpoint")
@click.option("--json", "want_json", is_flag=True)
def show(endpoint: str, want_json: bool) -> None:
    """Show an endpoint's last tries, and what was given up."""
    with services() as found:
        row = operations.endpoint(found, _known(found, endpoint))
    if want_json:
        as_json(row)
        return
    click.echo(f"{row['id']}  {row['state']}  {row['url']}  {' '.join(row['events'])}")
    if row["why"]:
        click.echo(row["why"])
    table(
        ("when (UTC)", "event", "what", "answer", "seconds"),
        [
            (f"{one['at']:%Y-%m-%d %H:%M:%S}", one["event"], one["type"], one["outcome"], one["seconds"])
            for one in row["tries"]
        ],
    )
    if row["failed"]:
        click.echo(f"given up: {' '.join(row['failed'])}")


@webhooks.command()
@click.argument("endpoint")
@click.argument("events", nargs=-1)
@click.option("--failed", is_flag=True, help="All that was given up.")
@json_option
def resend(endpoint: str, events: tuple[str, ...], failed: bool) -> None:
    """Send events (evt_…) once more."""
    if bool(events) == failed:
        fail("name events, or give --failed", USAGE)
    with acting() as found:
        row = operations.endpoint(found, _on(found, endpoint))
        count = found.endpoints.resend(endpoint, row["failed"] if failed else events, now=found.clock())
        if events and not count:
            fail("none of these is kept any more", NOT_FOUND)
        say(f"sent once more: {count}", endpoint=endpoint, events=count)


@webhooks.command()
@click.argument("endpoint")
@json_option
def test(endpoint: str) -> None:
    """Send an event that means nothing."""
    with acting() as found:
        event = found.feed.test(_on(found, endpoint).id, now=found.clock())
        say(f"{event} is on its way: omi-inbox webhooks show {endpoint}", endpoint=endpoint, event=event)


@webhooks.command()
@click.argument("endpoint")
@json_option
def rotate(endpoint: str) -> None:
    """Make a new secret, printed this once; the one before signs too for a day."""
    with acting() as found:
        secret = found.endpoints.rotate(_known(found, endpoint).id, now=found.clock())
        say("the new secret, shown this once; the one before signs too for a day:", endpoint=endpoint, secret=secret)
    _secret(secret)


@webhooks.command()
@click.argument("endpoint")
@json_option
def on(endpoint: str) -> None:
    """Switch an endpoint on."""
    _switch(endpoint, is_on=True)


@webhooks.command()
@click.argument("endpoint")
@json_option
def off(endpoint: str) -> None:
    """Switch an endpoint off; what happens meanwhile is not told later."""
    _switch(endpoint, is_on=False)


@webhooks.command()
@click.argument("endpoint")
@json_option
def remove(endpoint: str) -> None:
    """Forget an endpoint."""
    with acting() as found:
        if not found.endpoints.remove(endpoint):
            _unknown(endpoint)
        say(f"{endpoint} is told nothing more", endpoint=endpoint, state="removed")


def _switch(endpoint: str, *, is_on: bool) -> None:
    with acting() as found:
        found.endpoints.switch(_known(found, endpoint).id, is_on=is_on)
        state = "on" if is_on else "off"
        say(f"{endpoint} is {state}", endpoint=endpoint, state=state)


def _known(found: Services, endpoint: str) -> Endpoint:
    return found.endpoints.get(endpoint) or _unknown(endpoint)


def _on(found: Services, endpoint: str) -> Endpoint:
    row = _known(found, endpoint)
    if not row.is_on:
        fail(f"{endpoint} is off, and is told nothing: omi-inbox webhooks on {endpoint}", FAILED)
    return row


def _unknown(endpoint: str) -> NoReturn:
    fail(f"no endpoint {endpoint}: omi-inbox webhooks lists them", NOT_FOUND)


def _secret(secret: str) -> None:
    """On standard output alone, where it can be piped; `--json` has said it."""
    context = click.get_current_context()
    if not context.meta.get("json"):
        click.echo(secret)
