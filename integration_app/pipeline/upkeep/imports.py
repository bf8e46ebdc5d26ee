"""Imports of users: taken in item by item, like any message, so that limits, order and outcomes are those of all.

One conversation at a time, so that what the user texts meanwhile does not stand behind an old chat; memories in
batches, which Omi takes in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from integration_app.errors import OverLimit, UnknownRecipient
from integration_app.model import (
    Clock,
    Content,
    Evidence,
    Hints,
    ImportRow,
    ImportState,
    InboundMessage,
    Kind,
    Route,
)
from integration_app.pipeline.delivery.group import IMPORT
from integration_app.pipeline.intake.intake import Intake
from integration_app.store.imports import Imports
from integration_app.store.ingest import Ingest, Receipt
from integration_app.store.outbox import Outbox
from integration_app.store.quota import Quotas

_PER_CALL = 50
"""Memories that go in one call."""
_SPARE = 2
"""Calls of an hour that are left for what the user sends meanwhile."""
_LATER = timedelta(minutes=5)


class Importing:
    def __init__(
        self, *, imports: Imports, intake: Intake, ingest: Ingest, outbox: Outbox, quotas: Quotas, clock: Clock
    ) -> None:
        self._imports = imports
        self._intake = intake
        self._ingest = ingest
        self._outbox = outbox
        self._quotas = quotas
        self._clock = clock

    def draft(self, uid: str, name: str, rows: Sequence[ImportRow]) -> None:
        """Keep what is new of it until its owner says go; in the place of what was there before."""
        unique = {row.key: row for row in rows}
        new = [row for row in unique.values() if not self._ingest.knows([_key(uid, row)])]
        self._imports.draft(uid, name, new, len(rows) - len(new))

    def step(self) -> int:
        """Take what may be taken now, for every user who imports. Returns how many items."""
        return sum(self._step(uid) for uid in self._imports.running())

    def _step(self, uid: str) -> int:
        status, now = self._imports.status(uid), self._clock()
        if status is None:  # it has expired
            self._imports.erase(uid)
            return 0
        waits = status.until is not None and status.until > now
        if status.state is not ImportState.RUNNING or waits or self._outbox.size(uid) or not self._imports.lock(uid):
            return 0
        try:
            return self._take(uid, status.name, now)
        finally:
            self._imports.unlock(uid)

    def _take(self, uid: str, name: str, now: datetime) -> int:
        rows = self._imports.next(uid, _PER_CALL)
        if not rows:
            self._imports.set_state(uid, ImportState.DONE)
            return 0
        kind = rows[0].kind
        if (left := self._quotas.of(uid)[kind].left) is not None and left <= _SPARE:
            self._imports.wait(uid, now + _LATER)
            return 0
        taken = 0
        for row in rows:
            if row.kind is not kind or (taken and kind is not Kind.MEMORIES):
                break
            try:
                accepted = self._intake.accept(_message(uid, name, row, now))
            except OverLimit:
                self._imports.wait(uid, now + _LATER)
                break
            except UnknownRecipient:  # erased meanwhile
                self._imports.erase(uid)
                break
            self._imports.took(uid, accepted.message_id if accepted.receipt is Receipt.STORED else None)
            taken += 1
        return taken


def _key(uid: str, row: ImportRow) -> str:
    return f"import:{uid}:{row.key}"


def _message(uid: str, name: str, row: ImportRow, now: datetime) -> InboundMessage:
    return InboundMessage(
        provider=IMPORT,
        event_id=row.key,
        dedupe_keys=(_key(uid, row),),
        channel=IMPORT,
        route=Route.UID,
        sender=name,
        received_at=now,
        content=Content(text=row.text),
        recipients=(uid,),
        evidence=Evidence(platform=True),
        hints=Hints(
            kind=row.kind,
            tags=row.tags,
            started_at=row.started_at,
            finished_at=row.finished_at,
            text_source=row.source,
            text_source_spec=row.spec,
        ),
    )
