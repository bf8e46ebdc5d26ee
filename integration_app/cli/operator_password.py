"""`operator-password`: the hash of a password, for OPERATOR_PASSWORD_HASH."""

from __future__ import annotations

import base64

import click
from werkzeug.security import generate_password_hash

from integration_app.cli.output import USAGE, fail

LEAST = 12


@click.command("operator-password")
@click.password_option(help="Asked for when left out: an argument shows in the list of processes.")
def operator_password(password: str) -> None:
    """Make the line OPERATOR_PASSWORD_HASH=…; it switches the pages below /operator on."""
    if len(password) < LEAST:
        fail(f"at least {LEAST} characters, please", USAGE)
    # without a dollar sign: a shell that loads .env would take it for a variable
    click.echo(f"OPERATOR_PASSWORD_HASH={base64.urlsafe_b64encode(generate_password_hash(password).encode()).decode()}")
