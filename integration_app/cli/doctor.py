"""`doctor`: would this deployment lose messages? Any check that fails ends with exit code 1; a warning does not."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from integration_app import logs
from integration_app.cli.output import FAILED, as_json, clock, use_local_stack
from integration_app.operations.checks import from_nothing


@click.command()
@click.option("--json", "want_json", is_flag=True)
def doctor(want_json: bool) -> None:
    """Check settings, Redis and Omi. Changes nothing but one probe key in Redis."""
    use_local_stack()
    logs.configure("text", "error")
    checks = list(from_nothing(clock()))
    if want_json:
        as_json([asdict(check) for check in checks])
    else:
        for check in checks:
            color = {"ok": "green", "warn": "yellow"}.get(check.mark, "red")
            click.echo(f"{click.style(f'{check.mark:4}', fg=color, bold=not check.ok)}  {check.name}: {check.detail}")
    sys.exit(0 if all(check.ok or check.warns for check in checks) else FAILED)
