"""`python -m workers`: one process, many RQ workers as threads on one queue, and the pump.

SIGTERM or SIGINT: take nothing new, finish what is in flight, exit 0. SIGKILL: leases run out, nothing is lost.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
from types import FrameType

import click

from integration_app import bootstrap, logs
from integration_app.bootstrap import Services
from integration_app.errors import SettingsError
from integration_app.queue import QUEUE_NAME
from workers import jobs
from workers.pump import Pump
from workers.threads import ThreadWorker

log = logs.get("workers")

RESTART_SECONDS = 1.0


@click.command()
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 256), help="RQ workers.")
def main(threads: int) -> None:
    """Send what waits in the outboxes to Omi."""
    try:
        services = bootstrap.build(connections=threads)
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(2)
    logs.configure(services.settings.log_format, services.settings.log_level)
    jobs.use(services)
    run(services, threads)


def run(services: Services, threads: int) -> None:
    """Work until a signal says stop."""
    stop = threading.Event()
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    hands = [
        threading.Thread(target=_work, args=(services, f"{name}-{index}", stop), name=f"rq-{index}")
        for index in range(threads)
    ]
    hands.append(threading.Thread(target=Pump(services, name, stop).run, name="pump"))
    for hand in hands:
        hand.start()
    log.info("workers ready", threads=threads, name=name)
    while not stop.wait(1.0):
        pass
    log.info("stopping: finishing what is in flight")
    for hand in hands:
        hand.join()
    log.info("stopped")


def _work(services: Services, name: str, stop: threading.Event) -> None:
    """One RQ worker, started anew whenever it gives up (RQ quits on a lost Redis; we do not)."""
    while not stop.is_set():
        try:
            ThreadWorker(QUEUE_NAME, services.queue_connection, stop, f"{name}-{secrets.token_hex(2)}").work()
        except Exception as error:  # noqa: BLE001 - a worker thread must not die for any reason
            log.warning("worker thread starts again", error=type(error).__name__)
        stop.wait(RESTART_SECONDS)


if __name__ == "__main__":
    main()
