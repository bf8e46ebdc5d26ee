"""Which mails of the folder are new, and what becomes of each: written down first, put away then.

In `INBOX` only what came since the first start is taken, so that nobody's old mail goes to Omi unasked; in a folder of
its own everything that is put there. Without `MAILBOX_UID` a mail belongs to the user whose private address it names,
and what names none is left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from integration_app import logs
from integration_app.errors import DoorError, MalformedPayload, OverLimit, UnknownRecipient
from integration_app.mailbox import NAME
from integration_app.mailbox.connection import Account, Connection, MailboxError
from integration_app.mailbox.message import message_of, recipients_of
from integration_app.model import Clock, InboundMessage
from integration_app.providers.common.email_headers import head_of
from integration_app.store.installations import inbox_tokens
from integration_app.store.mailboxes import Mailboxes, Place
from integration_app.store.refusals import Refusal, Refusals

log = logs.get(__name__)

BYTES_MAX = 50_000_000


class Accepts(Protocol):
    def accept(self, message: InboundMessage) -> object: ...


class MailboxReader:
    """`address_of` gives the private address of a uid; None where it has none (yet)."""

    def __init__(
        self,
        account: Account,
        *,
        uid: str | None,
        receivers: Sequence[str],
        intake: Accepts,
        address_of: Callable[[str], str | None],
        mailboxes: Mailboxes,
        refusals: Refusals,
        clock: Clock,
    ) -> None:
        self._account = account
        self._uid = uid
        self._receivers = receivers
        self._intake = intake
        self._address_of = address_of
        self._mailboxes = mailboxes
        self._refusals = refusals
        self._clock = clock

    def step(self, box: Connection, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Take in what is new. How many mails were. Raises `MailboxError` where it has to be tried again later; what
        was taken stays taken.
        """
        reader = secrets.token_hex(8)
        if not self._mailboxes.claim(self._account.key, reader):
            return 0
        try:
            return self._read(box, reader, stop)
        finally:
            self._mailboxes.release(self._account.key, reader)

    def _read(self, box: Connection, reader: str, stop: Callable[[], bool]) -> int:
        place = self._mailboxes.place(self._account.key, box.validity, now=self._clock())
        taken = 0
        for number in box.after(place.last):
            if stop() or not self._mailboxes.claim(self._account.key, reader):
                break
            taken += self._take(box, place, number)
            place = replace(place, last=number)
            self._mailboxes.move(self._account.key, place)
        self._mailboxes.looked(self._account.key, now=self._clock())
        return taken

    def _take(self, box: Connection, place: Place, number: int) -> bool:
        about = box.about(number)
        if about is None:
            return False
        size, came, head = about
        if self._account.is_inbox and came < place.begun:
            return False
        recipients = self._recipients(head)
        if not recipients:
            return False
        raw = box.raw(number, BYTES_MAX) if size <= BYTES_MAX else b""
        if raw is None:
            return False
        taken = bool(raw) and self._accepted(raw, f"{self._account.key}:{place.validity}:{number}", recipients)
        if not raw:
            self._note("too large", "larger than 50 MB")
        box.put_away(number)
        return taken

    def _recipients(self, head: bytes) -> tuple[str, ...]:
        """The private addresses that it is for; none where it is for nobody here."""
        if self._uid is None:
            return tuple(address for address in recipients_of(head_of(head)) if inbox_tokens(address))
        address = self._address_of(self._uid)
        if address is None:
            raise MailboxError(f"MAILBOX_UID {self._uid} is not set up: it has to open its page first")
        return (address,)

    def _accepted(self, raw: bytes, place: str, recipients: tuple[str, ...]) -> bool:
        message = message_of(
            raw, place=place, recipients=recipients, receivers=self._receivers, received_at=self._clock()
        )
        try:
            self._intake.accept(message)
        except OverLimit:
            raise MailboxError("its user may not have more at present") from None
        except (UnknownRecipient, MalformedPayload) as refused:
            self._note(_OUTCOME[type(refused)], str(refused))
            return False
        return True

    def _note(self, outcome: str, why: str) -> None:
        log.info("refused", provider=NAME, outcome=outcome, why=why)
        self._refusals.note(NAME, Refusal(self._clock(), outcome, why, "a mail of the mailbox"))


_OUTCOME: dict[type[DoorError], str] = {UnknownRecipient: "unknown recipient", MalformedPayload: "malformed"}
