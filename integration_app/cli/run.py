"""`omi-inbox run`: web, worker and an embedded Valkey as one command, for a small server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from integration_app import bootstrap, logs
from integration_app.cli.output import USAGE, fail, has_settings, read_settings_file
from integration_app.errors import SettingsError
from integration_app.local.run import Run, RunError


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    show_default=True,
    envvar="DATA_FOLDER",
    help="Where the embedded Valkey keeps its files, without REDIS_URL; other commands look into DATA_FOLDER for it.",
)
def run(data: Path) -> None:
    """Run everything that a small server needs: web, worker and, without REDIS_URL, an embedded Valkey.

    Settings come from the environment, or from .env in this folder (omi-inbox init writes one). What dies is started
    again. Ctrl-C or SIGTERM stops all of it, after the calls that are in flight.
    """
    given = set(os.environ)
    read_settings_file()
    os.environ.setdefault("DATA_FOLDER", str(data))
    try:
        made = Run(data, os.environ)
        if made.redis_url:
            os.environ["REDIS_URL"] = made.redis_url
        settings, providers = bootstrap.read_settings()
    except RunError as error:
        fail(str(error), USAGE)
    except SettingsError as error:
        hint = "" if has_settings() else "\n→ omi-inbox init asks for what is needed, and writes .env"
        fail(f"{error}{hint}", USAGE)
    logs.configure(settings.log_format, settings.log_level)
    kept = f"kept in {data.resolve()}" if made.is_embedded else "kept in the Redis at REDIS_URL"
    doors = ", ".join(providers) or "none: omi-inbox providers says what each needs"
    if sys.stderr.isatty() and made.is_embedded and data != Path("data") and "DATA_FOLDER" not in given:
        click.echo(f"other commands find it with DATA_FOLDER={data}", err=True)
    if sys.stderr.isatty():
        click.echo(
            f"Omi Inbox at {settings.public_base_url}, listening on port {settings.port}\n"
            f"  doors     {doors}\n"
            f"  messages  {kept}\n"
            f"  check it  omi-inbox doctor\n"
            "Ctrl-C stops everything.",
            err=True,
        )
    try:
        sys.exit(made.forever())
    except RunError as error:
        fail(str(error))
