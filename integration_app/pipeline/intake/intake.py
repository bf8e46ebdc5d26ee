"""Intake: a link code, a loop, when it is due, how far its sender is believed; then it is written down once.

No outbound call, nothing parsed that can wait.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.errors import MalformedPayload, OverLimit, UnknownRecipient
from integration_app.model import Clock, Content, InboundMessage, Kind, Route, Verdict
from integration_app.pipeline.delivery import group, prepare
from integration_app.pipeline.intake.pairing import Pairing
from integration_app.pipeline.intake.trust import judge
from integration_app.pipeline.rules import Rules
from integration_app.store.ingest import Accepted, Ingest, Receipt
from integration_app.store.installations import Installations, inbox_tokens
from integration_app.text.clean import one_line

log = logs.get(__name__)


class Intake:
    def __init__(
        self,
        *,
        ingest: Ingest,
        installations: Installations,
        pairing: Pairing,
        rules: Rules,
        clock: Clock,
        new_id: Callable[[datetime], str] | None = None,
    ) -> None:
        self._ingest = ingest
        self._installations = installations
        self._pairing = pairing
        self._rules = rules
        self._clock = clock
        self._new_id = new_id or message_id

    def accept(self, message: InboundMessage) -> Accepted:
        """Store a genuine message for every uid it belongs to.

        Raises `MalformedPayload` when nothing was said, `UnknownRecipient` when it is for no uid, `OverLimit`
        when none of them may have more. A Redis error
        comes through: then nothing is stored and the provider must send it again.
        """
        if prepare.is_empty(message.content):
            raise MalformedPayload("the message is empty")
        sender = one_line(message.sender, 320)
        if sender != message.sender:
            message = replace(message, sender=sender)
        if self._is_own(message):
            message = replace(message, control="LOOP")
        if self._pairing.is_unlink(message):
            # a second delivery of it must not end what was linked since
            if self._ingest.knows(message.dedupe_keys, now=self._clock()) or self._pairing.unpair(message):
                message = replace(message, control="UNLINK")
        elif self._pairing.pair(message):
            message = replace(message, control="LINK", content=Content(text="[a link code]"))
        now = self._clock()
        delay = self._delay(message)
        due, first_due = now + delay, now + min(delay, self._rules.first_quiet)
        verdicts = _verdicts(message)
        accepted = self._ingest.accept(
            self._new_id(now), message, verdicts, due_at=due, first_due_at=first_due, now=now
        )
        if accepted.receipt is Receipt.FOR_NOBODY:
            raise UnknownRecipient("no installation has this phone or address")
        if accepted.receipt is Receipt.OVER_LIMIT:
            raise OverLimit("more than its users may have: of one sender in a minute, in a day, or waiting")
        if accepted.receipt is not Receipt.DUPLICATE:
            log.info(
                "accepted",
                message=accepted.message_id,
                provider=message.provider,
                uids=accepted.uids,
                quarantined=accepted.held,
            )
        return replace(accepted, control=message.control) if message.control else accepted

    def _is_own(self, message: InboundMessage) -> bool:
        """Sent from one of the private addresses, or from their domain: forwarding it would go round in circles."""
        if message.route is not Route.RECIPIENT or message.hints:
            return False
        senders = [address for address in (message.sender, message.envelope_from) if address]
        if any(address.rpartition("@")[2] == self._rules.own_domain for address in senders):
            return True
        tokens = [token for address in senders for token in inbox_tokens(address)]
        return bool(self._installations.with_inbox(tokens))

    def _delay(self, message: InboundMessage) -> timedelta:
        if message.hints:
            return timedelta(0)
        kind = prepare.kind_of(message.content.text or "") if message.content.text else Kind.CONVERSATION
        return group.wait_for(message.channel, kind, self._rules)[0]


def _verdicts(message: InboundMessage) -> Sequence[Verdict]:
    """For a user without a list of senders, with this one on it, on it without proof, and not on it. A linked phone may
    always write.
    """
    if message.route is not Route.RECIPIENT:
        return (judge(message, None),) * 4
    return judge(message, None), judge(message, True), judge(message, True, unproven=True), judge(message, False)


def message_id(now: datetime) -> str:
    """Sortable by time, unguessable, and fit for a URL."""
    return f"m{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"
