"""`omi-inbox`: data to standard output, talk to standard error.

Exit codes: 0 done · 1 failed · 2 wrong use or settings · 3 not found · 75 try again later (Redis is away).
"""

from __future__ import annotations

import click

from integration_app import __version__
from integration_app.cli import (
    alert,
    alive,
    backfill,
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
    simulate,
    store,
)
from integration_app.cli.demo import demo


@click.group(
    cls=backfill.WithProviders, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="omi-inbox")
def main() -> None:
    """Text it, e-mail it, and it is in your Omi.

    Where a command needs settings and none are set, those of the local stack (`omi-inbox dev`) are used.

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
    store.keys,
    store.migrate,
    store.restored,
    simulate.simulate,
    sandbox.sandbox,
):
    main.add_command(command)
