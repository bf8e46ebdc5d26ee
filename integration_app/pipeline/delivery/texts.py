"""The text of a waiting message: prepared once, kept in the step that writes its delivery down."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from integration_app import logs
from integration_app.attachments.reader import AttachmentReader
from integration_app.errors import NotYet, VendorError
from integration_app.model import (
    UNREADABLE,
    Clock,
    Content,
    Drop,
    Hold,
    Installation,
    Park,
    PreparedText,
    Reason,
    Then,
    WaitingMessage,
)
from integration_app.pipeline.delivery.compose import parts_of
from integration_app.pipeline.delivery.drain_pass import DrainPass
from integration_app.pipeline.delivery.for_user import as_user_gets
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.store.inbox import Inbox

WORKERS_MAX = 3
"""So many workers may die, or lose their lease, at preparing a message; then it is parked."""


class Texts:
    """`has_tasks`: the destination takes action items."""

    def __init__(self, inbox: Inbox, reader: AttachmentReader, clock: Clock, *, has_tasks: bool) -> None:
        self._inbox = inbox
        self._reader = reader
        self._clock = clock
        self._has_tasks = has_tasks

    def ready(self, run: DrainPass, item: WaitingMessage) -> tuple[WaitingMessage, Park | Drop | Hold | None]:
        """The message as its user gets it; with a decision where it is not to be sent. Raises `NotYet` while something
        that came along may still become readable.
        """
        if item.message.control == UNREADABLE:
            return item, Park(Reason.UNREADABLE, alarm=True)
        if item.prepared is None:
            if run.snapshot.held > 1 and self._inbox.suspect(item.id, run.lease.uid) > WORKERS_MAX:
                return item, Park(Reason.ENDS_WORKERS, alarm=True)
            content = item.content or self._inbox.text(item.id)
            if content is None:
                return item, Park(Reason.TEXT_GONE)
            try:
                parts = [content] if isinstance(content, PreparedText) else self._parts(run, item, content)
            except NotYet:
                raise
            except VendorError as error:
                return item, Park(Reason.NOT_FETCHED, f"{Reason.NOT_FETCHED.sentence}: {error}", alarm=True)
            except Exception as error:  # noqa: BLE001 - a poison message must not block those behind it
                return item, Park(Reason.CRASH, logs.crash("prepare", error))
            item = replace(item, prepared=self._kept(run, item, parts))
            if run.snapshot.held > 1:
                self._inbox.acquit(item.id, run.lease.uid)
        assert item.prepared is not None  # noqa: S101 - it has just been made
        ready = as_user_gets(item, item.prepared, run.installation, has_tasks=self._has_tasks, whole=self._inbox.whole)
        return ready, _unwanted(ready, run.installation)

    def save_rest(self, run: DrainPass) -> None:
        """Keep the texts of what does not leave yet, and drop their raw contents."""
        for message_id, prepared in run.unsaved.items():
            self._inbox.save_prepared(message_id, [prepared], now=self._clock())
        run.unsaved.clear()

    def _kept(self, run: DrainPass, item: WaitingMessage, parts: list[PreparedText]) -> PreparedText:
        if len(parts) > 1:
            return self._inbox.save_prepared(item.id, parts, now=self._clock())
        run.unsaved[item.id] = parts[0]
        return parts[0]

    def _parts(self, run: DrainPass, item: WaitingMessage, content: Content) -> list[PreparedText]:
        language = run.installation.preferences.language if run.installation else None

        def since() -> datetime:
            return self._inbox.first_read(item.id, now=self._clock())

        content = self._reader.whole(item.message, content, since)
        read = self._reader.of(item.message, run.lease.uid, language, since)
        return parts_of(prepare(replace(item.message, content=content), read))


def _unwanted(item: WaitingMessage, installation: Installation | None) -> Drop | Hold | None:
    """Why a prepared message is recorded and not forwarded."""
    prepared = item.prepared
    if prepared is None or (not prepared.text.strip() and not prepared.head):
        return Drop(Reason.NOTHING_READABLE)
    if prepared.automatic and not (installation and installation.preferences.automatic):
        return Drop(Reason.AUTOMATIC, f"{Reason.AUTOMATIC.sentence}: {prepared.automatic}")
    if item.released:  # its user has seen it, and wants it
        return None
    if item.then is Then.DROP:
        return Drop(Reason.OWN_RULE)
    return Hold() if item.then is Then.HOLD else None
