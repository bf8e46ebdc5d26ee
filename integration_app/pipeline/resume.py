"""Going on with one user now: somebody has seen that nothing is in the way any more."""

from __future__ import annotations

from datetime import datetime

from integration_app.store.due import DueSet
from integration_app.store.gates import Gates
from integration_app.store.installations import Installations
from integration_app.store.outbox import Outbox


def resume(uid: str, *, installations: Installations, gates: Gates, outbox: Outbox, due: DueSet, now: datetime) -> int:
    """Take the user for enabled, open their gates, look at what waits. Returns how much that is."""
    installations.mark_enabled(uid)
    gates.open(uid)
    waiting = outbox.size(uid)
    if waiting:
        due.set(uid, now)
    return waiting
