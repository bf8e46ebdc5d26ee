"""`omi-inbox overview`: what arrived, what went out, what waits and why."""

from __future__ import annotations

import click

from integration_app import operations
from integration_app.cli.output import as_json, services


@click.command()
@click.option("--json", "want_json", is_flag=True, help="With the rates of the last hour and day.")
def overview(want_json: bool) -> None:
    """Show how it stands, as the operator's first page does."""
    with services() as found:
        stands = operations.overview(found)
    if want_json:
        as_json(stands)
        return
    for name, value in stands.items():
        if name == "waiting_by_cause":
            for why, count in value.items():
                click.echo(f"  {count} because of: {why}")
        elif name == "gates":
            for gate in value:
                click.echo(f"everybody waits until {gate['until']}: {gate['reason']}")
        elif name != "rates":
            click.echo(f"{name.replace('_', ' ')}: {value}")
