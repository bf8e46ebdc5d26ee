"""`outboxes` and `outboxes show`: what waits, which lease holds it and until when, what is in flight."""

from __future__ import annotations

import click

from integration_app import operations
from integration_app.cli.output import NOT_FOUND, as_json, fail, services, table


@click.group(invoke_without_command=True)
@click.option("--json", "want_json", is_flag=True)
@click.pass_context
def outboxes(context: click.Context, want_json: bool) -> None:
    """List the outboxes in which messages wait, the longest overdue first."""
    if context.invoked_subcommand:
        return
    with services() as found:
        rows = operations.outboxes(found)
    if want_json:
        as_json(rows)
        return
    table(
        ("uid", "waiting", "due (UTC)", "leased until (UTC)"),
        [(row["uid"], row["waiting"], _time(row["due_at"]), _time(row["leased_until"])) for row in rows],
    )


@outboxes.command()
@click.argument("uid")
@click.option("--json", "want_json", is_flag=True)
def show(uid: str, want_json: bool) -> None:
    """Tell everything about one outbox: lease, due time, deliveries in flight, gates, what leaves when."""
    with services() as found:
        row = operations.outbox(found, uid)
    if row is None:
        fail(f"no installation {uid}", NOT_FOUND)
    if want_json:
        as_json(row)
        return
    click.echo(f"{uid}: {row['waiting']} waiting, due {_time(row['due_at'])}")
    click.echo(f"  in Redis: {row['in_redis']}")
    click.echo(f"  lease: {'held until ' + _time(row['leased_until']) if row['leased_until'] else 'free'}")
    for delivery in row["open"]:
        click.echo(
            f"  delivery {delivery['id']} is {delivery['state']} since {_time(delivery['begun_at'])},"
            f" messages {', '.join(delivery['messages'])}; may turn up in Omi until {_time(delivery['settles_at'])},"
            f" read back at {_time(delivery['reads_back_at'])}"
        )
    for gate in row["gates"]:
        click.echo(f"  gate {gate['name']} is closed until {_time(gate['until'])}: {gate['reason']}")
    for group in row["groups"]:
        click.echo(f"  {', '.join(group['messages'])} ({group['kind']}) at {_time(group['leaves_at'])}: {group['why']}")


def _time(iso: str | None) -> str:
    return f"{iso[:19].replace('T', ' ')}" if iso else "-"
