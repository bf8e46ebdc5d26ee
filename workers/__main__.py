"""`python -m workers`: one process, one RQ worker that runs many jobs at a time.

SIGTERM or SIGINT: take nothing new, finish what is in flight, exit 0. A second one: exit at once. SIGKILL: leases run
out, nothing is lost.
"""

from __future__ import annotations

import os

if (os.environ.get("WORKER_CLASS") or "gevent") == "gevent" and __name__ == "__main__":
    # before anything else is imported: it patches the standard library
    from gevent import monkey

    monkey.patch_all()

import gc
import secrets
import socket
import sys
import threading
import time

import click

from integration_app import __version__, bootstrap, logs, reporting, tracing
from integration_app.bootstrap import Services
from integration_app.errors import SettingsError
from workers import jobs, stopping
from workers.concurrent import ConcurrentWorker
from workers.maintenance import Maintenance

log = logs.get("workers")

RESTART_SECONDS = 1.0


@click.command()
@click.option(
    "--slots",
    default=64,
    show_default=True,
    envvar="WORKER_SLOTS",
    type=click.IntRange(1, 1000),
    help="Jobs at a time.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0),
    envvar="WORKER_GRACE_SECONDS",
    help="Seconds for what runs at the end; default: a job's time-out.",
)
def main(slots: int, grace: float | None) -> None:
    """Send what waits in the outboxes to Omi."""
    kind = os.environ.get("WORKER_CLASS") or "gevent"
    if kind not in ("threads", "gevent"):
        click.echo(f"WORKER_CLASS must be gevent or threads, not {kind}", err=True)
        sys.exit(2)
    try:
        services = bootstrap.build(connections=slots)
    except SettingsError as error:
        click.echo(bootstrap.with_cure(error), err=True)
        sys.exit(2)
    logs.configure(services.settings.log_format, services.settings.log_level)
    tracing.configure("worker", __version__)
    reporting.configure(services.settings.sentry_dsn, __version__)
    jobs.use(services)
    run(services, slots, services.settings.job_timeout_seconds if grace is None else grace)


def run(services: Services, slots: int, grace: float) -> None:
    """Work until a signal says stop."""
    stop = threading.Event()
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    stopping.at_signals(stop)
    maintenance = [threading.Thread(target=Maintenance(part, name, stop).run) for part in services.parts]
    for thread in maintenance:
        thread.start()
    gc.collect()
    gc.freeze()  # what has been imported stays: going through it stops all slots for 60 ms
    log.info("worker ready", slots=slots, name=name)
    while not stop.is_set():
        try:
            mine = f"{name}-{secrets.token_hex(2)}"
            ConcurrentWorker(services, slots=slots, name=mine, stop=stop, grace=grace).run(burst=False)
        except Exception as error:  # noqa: BLE001 - a Redis that is away at the start is waited for
            log.warning("the worker starts again", error=type(error).__name__)
        stop.wait(RESTART_SECONDS)
    late = time.monotonic() + max(1.0, grace)
    for thread in maintenance:  # a tick may be long, and stands wherever it ends
        thread.join(max(0.0, late - time.monotonic()))
    log.info("stopped")
    tracing.flush()
    reporting.flush()
    sys.stderr.flush()
    os._exit(0)  # a slot whose call outlasts the grace period must not hold the process


if __name__ == "__main__":
    main()
