"""Which mails of the folder are new, and what becomes of each: written down first, put away then.

In `INBOX` only what came since the first start is taken, so that nobody's old mail goes to Omi unasked; in a folder of
its own everything that is put there. Without `MAILBOX_UID` a mail belongs to the user whose private address it names,
and what names none is left alone. One mail holds up no other: what cannot be taken yet is looked at again later.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from integration_app import logs
from integration_app.errors import DoorError, MalformedPayload, OverLimit, UnknownRecipient
from integration_app.mailbox import NAME
from integration_app.mailbox.connection import Account, Connection, MailboxError, NotPutAway, NotReadable
from integration_app.mailbox.message import message_of, recipients_of
from integration_app.model import Clock, InboundMessage
from integration_app.providers.common.email_headers import head_of
from integration_app.store.installations import inbox_tokens
from integration_app.store.mailboxes import Mailboxes, Place
from integration_app.store.refusals import Refusal, Refusals

log = logs.get(__name__)

BYTES_MAX = 50_000_000
LATER = timedelta(minutes=5)
GIVEN_UP = timedelta(days=3)
"""What is over its user's limits for so long does not fit them."""
_GRACE = timedelta(minutes=5)
"""Clocks differ."""


class Accepts(Protocol):
    def accept(self, message: InboundMessage) -> object: ...


class MailboxReader:
    """`address_of` gives the private address of a uid, None where it has none (yet); `is_known` whether these tokens
    are those of a user here.
    """

    def __init__(
        self,
        account: Account,
        *,
        uid: str | None,
        receivers: Sequence[str],
        intake: Accepts,
        address_of: Callable[[str], str | None],
        is_known: Callable[[Sequence[str]], bool],
        mailboxes: Mailboxes,
        refusals: Refusals,
        clock: Clock,
    ) -> None:
        self._account = account
        self._uid = uid
        self._receivers = receivers
        self._intake = intake
        self._address_of = address_of
        self._is_known = is_known
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
        key, now = self._account.key, self._clock()
        first = box.next_uid - 1 if self._account.is_inbox else 0
        place = self._mailboxes.place(key, box.validity, first, now=now)
        taken = 0
        again = self._mailboxes.later(key, box.validity, now=now)
        for number in (*again, *box.after(place.last)):
            if stop() or not self._mailboxes.claim(key, reader):
                break
            taken += self._look_at(box, place, number, is_again=number in again)
            if number > place.last:
                place = replace(place, last=number)
                self._mailboxes.move(key, place)
        self._mailboxes.looked(key, now=now)
        return taken

    def _look_at(self, box: Connection, place: Place, number: int, *, is_again: bool) -> bool:
        """Whether it was taken in. What concerns this mail alone is noted, and stops nothing."""
        key = self._account.key
        try:
            taken = self._take(box, place, number)
        except (OverLimit, NotReadable) as refused:
            outcome, why = ("malformed", str(refused)) if isinstance(refused, NotReadable) else _OVER
            if not self._mailboxes.put_off(key, place.validity, number, LATER, GIVEN_UP, now=self._clock()):
                self._note(outcome, f"{why}, for three days: it stays in the mailbox")
            elif not is_again:
                self._note(outcome, f"{why}: it is looked at again every five minutes, for three days")
            return False
        if is_again:
            self._mailboxes.done(key, place.validity, number)
        return taken

    def _take(self, box: Connection, place: Place, number: int) -> bool:
        about = box.about(number)
        if about is None:
            return False
        size, came, head = about
        if self._account.is_inbox and place.is_anew and came < place.begun - _GRACE:
            return False
        recipients = self._recipients(head)
        if not recipients:
            return False
        if size > BYTES_MAX:
            return self._too_large(box, number)
        raw = box.raw(number, BYTES_MAX + 1)
        if raw is None:
            return False
        if len(raw) > BYTES_MAX:
            return self._too_large(box, number)
        message = message_of(
            raw,
            place=f"{self._account.key}:{place.validity}:{number}",
            recipients=recipients,
            receivers=self._receivers,
            came_at=came,
            received_at=self._clock(),
        )
        taken = self._accepted(message)
        self._put_away(box, number)
        return taken

    def _too_large(self, box: Connection, number: int) -> bool:
        self._note("too large", "larger than 50 MB")
        self._put_away(box, number)
        return False

    def _put_away(self, box: Connection, number: int) -> None:
        try:
            box.put_away(number)
        except NotPutAway as refused:
            self._note("not put away", f"it is done with, and stays where it is: {refused}")

    def _recipients(self, head: bytes) -> tuple[str, ...]:
        """The private addresses that it is for; none where it is for nobody here."""
        if self._uid is None:
            named = ((address, inbox_tokens(address)) for address in recipients_of(head_of(head)))
            return tuple(address for address, tokens in named if tokens and self._is_known(tokens))
        address = self._address_of(self._uid)
        if address is None:
            raise MailboxError(f"MAILBOX_UID {self._uid} is not set up: it has to open its page first")
        return (address,)

    def _accepted(self, message: InboundMessage) -> bool:
        try:
            self._intake.accept(message)
        except (UnknownRecipient, MalformedPayload) as refused:
            self._note(_OUTCOME[type(refused)], str(refused))
            return False
        return True

    def _note(self, outcome: str, why: str) -> None:
        log.info("refused", provider=NAME, outcome=outcome, why=why)
        self._refusals.note(NAME, Refusal(self._clock(), outcome, why, "a mail of the mailbox"))


_OVER = ("over a limit", "over its user's limits")
_OUTCOME: dict[type[DoorError], str] = {UnknownRecipient: "unknown recipient", MalformedPayload: "malformed"}
