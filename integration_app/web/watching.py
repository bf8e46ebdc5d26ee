"""Looks for what is wrong, and alerts: a thread in one of gunicorn's workers on each host.

The worker that holds the lock is the one; when it ends, the next takes over. Between hosts Redis decides; a Redis that
is away is told by each.
"""

from __future__ import annotations

import fcntl
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # gunicorn's master reads this module too: see draining
    from integration_app.bootstrap import Services

_lock, _path = tempfile.mkstemp(prefix="omi-inbox-")  # opened in gunicorn's master, and its workers inherit it
Path(_path).unlink()


def start(services: Services) -> None:
    """In the background. Where there is nowhere to tell it, nothing is looked for: endpoints may come later."""
    from integration_app.operations.alerting.channels import channels

    found = channels(services.settings, services.clock)
    threading.Thread(target=_watch, args=(services, found), name="watching", daemon=True).start()


def _watch(services: Services, found: list) -> None:  # type: ignore[type-arg]
    from integration_app import logs
    from integration_app.operations.alerting.alerts import TICK, Alerts

    log, alerts = logs.get(__name__), Alerts(services, found)
    while True:
        time.sleep(TICK.total_seconds())
        try:
            fcntl.lockf(_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        try:
            alerts.tick()
        except Exception as error:  # noqa: BLE001 - it is tried again
            log.warning("looking for what is wrong failed, trying again", error=type(error).__name__)
