"""`omi-inbox`: data to standard output, talk to standard error.

Exit codes: 0 done · 1 failed · 2 wrong use or settings · 3 not found · 75 try again later (Redis is away).
"""

from __future__ import annotations

import platform
from importlib import metadata

import click

from integration_app import __version__
from integration_app.cli import (
    alert,
    alive,
    dead_letters,
    dev,
    doctor,
    init,
    installations,
    messages,
    omi,
    operator_password,
    outboxes,
    overview,
    prefer,
    providers,
    quarantine,
    run,
    samples,
    sandbox,
    shards,
    simulate,
    store,
    tail,
    vendors,
    webhooks,
)
from integration_app.cli.demo import demo


def _versions() -> str:
    """Ours, and of what messages go through."""
    parts = {name: metadata.version(name) for name in ("redis", "rq", "gunicorn")}
    more = ", ".join(f"{name} {version}" for name, version in parts.items())
    return f"omi-inbox {__version__} (Python {platform.python_version()}, {more})"


@click.group(
    cls=vendors.WithProviders, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, message=_versions())
def main() -> None:
    """Text it, e-mail it, and it is in your Omi.

    Settings come from the environment, else from .env in this folder, else from the local stack (`omi-inbox dev`).

    Exit codes: 0 done, 1 failed, 2 wrong use or settings, 3 not found, 75 try again later.
    """


for command in (
    alert.alert,
    alive.alive,
    dead_letters.dead_letters,
    dead_letters.replay,
    demo,
    dev.dev,
    doctor.doctor,
    init.init,
    installations.installations,
    installations.link,
    installations.resume,
    installations.unlink,
    messages.messages,
    omi.omi,
    operator_password.operator_password,
    outboxes.outboxes,
    overview.overview,
    prefer.prefer,
    providers.providers,
    quarantine.quarantine,
    run.run,
    samples.send_sample,
    shards.shards,
    store.keys,
    store.migrate,
    store.restored,
    simulate.simulate,
    sandbox.sandbox,
    tail.tail,
    webhooks.webhooks,
):
    main.add_command(command)
