"""Resume delivery for one user: nothing is in the way any more."""

from __future__ import annotations

from integration_app.model import Clock
from integration_app.store.due import DueSet
from integration_app.store.gates import Gates
from integration_app.store.installations import Installations
from integration_app.store.outbox import Outbox


class Resume:
    def __init__(
        self, *, installations: Installations, gates: Gates, outbox: Outbox, due: DueSet, clock: Clock
    ) -> None:
        self._installations = installations
        self._gates = gates
        self._outbox = outbox
        self._due = due
        self._clock = clock

    def __call__(self, uid: str) -> int:
        """Take the user for enabled, open their gates, schedule a drain. Returns how many messages wait."""
        self._installations.mark_enabled(uid)
        self._gates.open(uid)
        waiting = self._outbox.size(uid)
        if waiting:
            self._due.set(uid, self._clock())
        return waiting
