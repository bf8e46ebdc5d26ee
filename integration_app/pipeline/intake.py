"""Intake: find whose message it is and write it down once. No outbound call, nothing parsed that can wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from integration_app import logs
from integration_app.errors import MalformedPayload, UnknownRecipient
from integration_app.mail.clean import one_line
from integration_app.model import NO_PREFERENCES, Clock, Content, InboundMessage, Kind, Preferences, Route, Trust
from integration_app.pipeline import group, prepare
from integration_app.pipeline.pairing import Pairing
from integration_app.pipeline.rules import Rules
from integration_app.pipeline.trust import judge
from integration_app.queue import JobQueue
from integration_app.store.health import Health
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations, inbox_tokens

log = logs.get(__name__)


class Receipt(StrEnum):
    STORED = "stored"
    DUPLICATE = "duplicate"
    RECORDED = "recorded"  # a word for the carrier: kept for the record, never forwarded


@dataclass(frozen=True, slots=True)
class Accepted:
    receipt: Receipt
    message_id: str


class Intake:
    def __init__(
        self,
        *,
        inbox: Inbox,
        installations: Installations,
        pairing: Pairing,
        health: Health,
        jobs: JobQueue,
        rules: Rules,
        clock: Clock,
        new_id: Callable[[datetime], str] | None = None,
    ) -> None:
        self._inbox = inbox
        self._installations = installations
        self._pairing = pairing
        self._health = health
        self._jobs = jobs
        self._rules = rules
        self._clock = clock
        self._new_id = new_id or message_id

    def accept(self, message: InboundMessage) -> Accepted:
        """Store a genuine message for every uid it belongs to.

        Raises `MalformedPayload` when nothing was said, `UnknownRecipient` when it is for nobody. A Redis error
        comes through: then nothing is stored and the provider must send it again.
        """
        if prepare.is_empty(message.content):
            raise MalformedPayload("the message is empty")
        message = replace(message, sender=one_line(message.sender, 320))
        if self._is_own(message):
            message = replace(message, control="LOOP")
        if self._pairing.pair(message):
            message = replace(message, control="LINK", content=Content(text="[a link code]"))
        uids = [] if message.control else self._recipients(message)
        now = self._clock()
        due = now + self._delay(message)
        verdicts = {uid: judge(message, self._preferences(message, uid)) for uid in uids}
        held = {uid for uid, verdict in verdicts.items() if verdict.trust is Trust.REJECTED}
        accepted = self._inbox.accept(
            self._new_id(now),
            message,
            [(uid, None if uid in held else due) for uid in uids],
            now=now,
            event={
                "provider": message.provider,
                "channel": message.channel,
                "uids": uids,
                "trust": {uid: {"level": verdict.trust, "why": verdict.why} for uid, verdict in verdicts.items()},
            }
            | ({"control": message.control} if message.control else {}),
        )
        if not accepted.new:
            return Accepted(Receipt.DUPLICATE, accepted.id)
        log.info("accepted", message=accepted.id, provider=message.provider, uids=len(uids), quarantined=len(held))
        if due <= now:
            self._hint([uid for uid in uids if uid not in held])
        return Accepted(Receipt.RECORDED if message.control else Receipt.STORED, accepted.id)

    def _recipients(self, message: InboundMessage) -> list[str]:
        if message.route is Route.UID:
            known = [self._installations.get(uid) for uid in message.recipients]
            uids = [row.uid for row in known if row]
        elif message.route is Route.SENDER:
            uids = list(self._installations.with_phone(message.sender))
        else:
            tokens = dict.fromkeys(token for to in message.recipients for token in inbox_tokens(to))
            uids = list(self._installations.with_inbox(list(tokens)[:50]))
        if not uids:
            raise UnknownRecipient("no installation has this phone or address")
        return uids

    def _is_own(self, message: InboundMessage) -> bool:
        """Sent from one of the private addresses, or from their domain: forwarding it would go round in circles."""
        if message.route is not Route.RECIPIENT or message.hints:
            return False
        senders = [address for address in (message.sender, message.envelope_from) if address]
        if any(address.rpartition("@")[2] == self._rules.own_domain for address in senders):
            return True
        tokens = [token for address in senders for token in inbox_tokens(address)]
        return bool(self._installations.with_inbox(tokens))

    def _preferences(self, message: InboundMessage, uid: str) -> Preferences:
        """A user's, where they can matter: a linked phone may always write."""
        found = self._installations.get(uid) if message.route is Route.RECIPIENT else None
        return found.preferences if found else NO_PREFERENCES

    def _delay(self, message: InboundMessage) -> timedelta:
        if message.hints:
            return timedelta(0)
        kind = prepare.kind_of(message.content.text or "") if message.content.text else Kind.CONVERSATION
        return group.wait_for(message.channel, kind, self._rules)[0]

    def _hint(self, uids: list[str]) -> None:
        """Ask for a worker at once. Only a hint: the due set already has it, and the pump reads that."""
        try:
            self._jobs.enqueue_drains(uids)
        except Exception as error:  # noqa: BLE001 - it is stored already: whatever this is, the answer is yes
            log.warning("hint not enqueued", error=type(error).__name__)


def message_id(now: datetime) -> str:
    """Sortable by time, unguessable, and fit for a URL."""
    return f"m{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"
