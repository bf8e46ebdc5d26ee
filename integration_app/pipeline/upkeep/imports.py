"""Imports of users: taken in item by item, like any message, so that limits, order and outcomes are those of all.

One conversation at a time, so that what the user texts meanwhile does not stand behind an old chat; memories in
batches, which Omi takes in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.errors import OverLimit, StoreUnfit, UnknownRecipient
from integration_app.model import (
    Clock,
    Content,
    Evidence,
    Hints,
    ImportRow,
    ImportState,
    ImportStatus,
    InboundMessage,
    Kind,
    MessageState,
    Route,
)
from integration_app.model.imports import IMPORT
from integration_app.pipeline.intake.intake import Intake
from integration_app.store.health import Health
from integration_app.store.imports import Imports
from integration_app.store.inbox import Inbox
from integration_app.store.ingest import Ingest
from integration_app.store.quota import Quotas

log = logs.get(__name__)

_PER_CALL = 50
"""Memories that go in one call."""
_SPARE = 2
"""Calls of an hour that are left for what the user sends meanwhile."""
_LATER = timedelta(minutes=5)


class Importing:
    def __init__(
        self,
        *,
        imports: Imports,
        intake: Intake,
        ingest: Ingest,
        inbox: Inbox,
        quotas: Quotas,
        health: Health,
        clock: Clock,
    ) -> None:
        self._imports = imports
        self._intake = intake
        self._ingest = ingest
        self._inbox = inbox
        self._quotas = quotas
        self._health = health
        self._clock = clock

    def draft(self, uid: str, name: str, rows: Sequence[ImportRow]) -> None:
        """Keep what is new of it until its owner says go; in the place of what was there before."""
        unique = list({row.key: row for row in rows}.values())
        known = self._ingest.known([_key(uid, row) for row in unique], now=self._clock())
        new = [row for row, is_known in zip(unique, known, strict=True) if not is_known]
        self._imports.draft(uid, name, new, len(rows) - len(new))

    def step(self) -> int:
        """Take what may be taken now, for every user who imports. Returns how many items."""
        return sum(map(self._step_or_stop, self._imports.running()))

    def _step_or_stop(self, uid: str) -> int:
        """An import that cannot be read stops, and nobody else's with it."""
        try:
            return self._step(uid)
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, StoreUnfit):  # a key is missing: nothing is wrong with it
                raise
            log.error("an import cannot be read", uid=uid, crash=logs.crash("import", error))
            self._health.alarm("an import cannot be read: it is paused", now=self._clock())
            if status := self._imports.status(uid):
                self._imports.set_state(uid, status.id, ImportState.PAUSED)
            return 0

    def _step(self, uid: str) -> int:
        status, now = self._imports.status(uid), self._clock()
        if status is None:
            if self._imports.status(uid) is None:  # asked once more: it has expired, and not moved to another Redis
                self._imports.erase(uid)
            return 0
        if status.state is not ImportState.RUNNING or (status.until and status.until > now):
            return 0
        if status.message_ids and self._waits(status.message_ids[-1], uid):
            return 0
        return self._take(uid, status, now)

    def _waits(self, message_id: str, uid: str) -> bool:
        """Whether what was taken last has not left yet."""
        (state,) = self._inbox.states([message_id], uid)
        return state in (MessageState.WAITING, MessageState.SENDING)

    def _take(self, uid: str, status: ImportStatus, now: datetime) -> int:
        rows = self._imports.next(uid, _PER_CALL)
        if not rows:
            self._imports.set_state(uid, status.id, ImportState.DONE)
            return 0
        kind, taken = rows[0][1].kind, 0
        if (left := self._quotas.of(uid)[kind].left) is not None and left <= _SPARE:
            self._imports.set_state(uid, status.id, ImportState.RUNNING, until=now + _LATER)
            return 0
        for kept, row in rows:
            if row.kind is not kind or (taken and kind is not Kind.MEMORIES):
                break
            try:
                # one that is known was taken by a process that died before it could say so
                accepted = self._intake.accept(_message(uid, status.name, row, now))
            except OverLimit:
                self._imports.set_state(uid, status.id, ImportState.RUNNING, until=now + _LATER)
                break
            except UnknownRecipient:  # erased meanwhile
                self._imports.erase(uid)
                break
            if not self._imports.took(uid, status.id, kept, accepted.message_id):
                break
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
