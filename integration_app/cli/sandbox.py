"""`omi-inbox sandbox`: starts the sandbox as a process; it is never imported."""

from __future__ import annotations

import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Omi on localhost, for developing against (`omi-inbox sandbox --help`)."""
    command = [sys.executable, "-m", "integration_app.sandbox", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - our own module, no shell
