"""`omi-inbox alert`: what is wrong now, and whether alerts arrive."""

from __future__ import annotations

from dataclasses import asdict

import click

from integration_app.cli.output import USAGE, as_json, fail, json_option, say, services
from integration_app.operations.alerting.alerts import Alerts
from integration_app.operations.alerting.channels import channels
from integration_app.operations.alerting.problems import standing, to_look_at


@click.group()
def alert() -> None:
    """What is wrong now, and whether you would be told."""


@alert.command("list")
@click.option("--json", "want_json", is_flag=True)
def list_(want_json: bool) -> None:
    """Show what is wrong now."""
    with services() as found:
        problems = [*standing(found).problems, *to_look_at(found)]
    if want_json:
        as_json([{name: value for name, value in asdict(each).items() if isinstance(value, str)} for each in problems])
        return
    for problem in problems:
        click.echo(f"{problem.key}: {problem.words}")
    if not problems:
        click.echo("nothing is wrong", err=True)


@alert.command()
@json_option
def test() -> None:
    """Send a test to ALERT_URLS and ALERT_WEBHOOK_URL."""
    with services() as found:
        where = channels(found.settings, found.clock)
        if not where:
            fail("nowhere to send it: set ALERT_URLS or ALERT_WEBHOOK_URL", USAGE)
        failed = Alerts(found, where).test()
    if failed:
        fail("\n".join(failed))
    names = [channel.name for channel in where]
    say(f"sent to {' and '.join(names)}", sent=names)
