"""`operator-password`: the hash of a password, for OPERATOR_PASSWORD_HASH."""

from __future__ import annotations

import base64

import click
import pyotp
from werkzeug.security import generate_password_hash

from integration_app.cli.output import USAGE, fail

LEAST = 12


def _second_factor(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        secret = pyotp.random_base32()
        click.echo(f"OPERATOR_TOTP_SECRET={secret}")
        click.echo(pyotp.TOTP(secret).provisioning_uri(name="operator", issuer_name="Omi Inbox"), err=True)
        context.exit()


@click.command("operator-password")
@click.option(
    "--totp",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_second_factor,
    help="Make a second factor instead: OPERATOR_TOTP_SECRET=…, and the address that an authenticator takes.",
)
@click.password_option(help="Asked for when left out: an argument shows in the list of processes.")
def operator_password(password: str) -> None:
    """Make the line OPERATOR_PASSWORD_HASH=…; it switches the pages below /operator on."""
    if len(password) < LEAST:
        fail(f"at least {LEAST} characters, please", USAGE)
    # without a dollar sign: a shell that loads .env would take it for a variable
    click.echo(f"OPERATOR_PASSWORD_HASH={base64.urlsafe_b64encode(generate_password_hash(password).encode()).decode()}")
