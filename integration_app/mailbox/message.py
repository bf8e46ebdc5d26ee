"""A mail of the mailbox as a message. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.utils import getaddresses

from integration_app.mailbox import NAME
from integration_app.model import Content, InboundMessage, Route
from integration_app.providers.common.authentication_results import evidence
from integration_app.providers.common.email_headers import Headers, author, head_of, mail_date, top

_ADDRESSED = frozenset(
    ("delivered-to", "x-original-to", "envelope-to", "x-forwarded-to", "x-delivered-to", "to", "cc", "bcc")
)
_RECIPIENTS_MAX = 50
_HOPS = 3
"""So many servers of the mailbox's own house may have handed a mail on before it lay in its folder."""


def recipients_of(headers: Headers) -> tuple[str, ...]:
    """Every address that a mail seems to have reached: there is no envelope in a mailbox."""
    values = [value for name, value in headers if name in _ADDRESSED]
    try:
        found = [address.lower()[:320] for _, address in getaddresses(values) if "@" in address]
    except (ValueError, IndexError, RecursionError):
        return ()
    return tuple(dict.fromkeys(found))[:_RECIPIENTS_MAX]


def message_of(
    raw: bytes,
    *,
    place: str,
    recipients: Sequence[str],
    receivers: Sequence[str],
    came_at: datetime,
    received_at: datetime,
) -> InboundMessage:
    """`place` names it in its folder: account, folder, UIDVALIDITY and UID. `receivers`: whose verdicts count.
    `came_at`: when it came into the mailbox.
    """
    headers = head_of(raw)
    message_id = top(headers, "message-id")[:500]
    name, address, several = author(headers)
    # two notices of a device may be alike, word for word: then the time tells them apart
    told = "|".join((*sorted(recipients), "" if message_id else came_at.isoformat()))
    digest = hashlib.sha256(told.encode("utf-8", "replace") + b"\n" + raw).hexdigest()
    return InboundMessage(
        provider=NAME,
        event_id=message_id or digest,
        # numbers of a folder may begin anew (UIDVALIDITY): then the mail itself is known
        dedupe_keys=(f"{NAME}:{place}", f"{NAME}:{digest}"),
        channel="email",
        route=Route.RECIPIENT,
        sender=address,
        sender_name=name or None,
        recipients=tuple(recipients),
        received_at=received_at,
        sent_at=mail_date(top(headers, "date")),
        content=Content(mime=base64.b64encode(raw).decode()) if raw.strip() else Content(),
        evidence=evidence(headers, receivers, address, several or not address, hops=_HOPS),
    )
