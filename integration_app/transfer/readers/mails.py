"""mbox files and .eml files: each mail is a conversation, as if it had been sent to the inbox."""

from __future__ import annotations

import base64
import mailbox
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from integration_app.mail import mail_of
from integration_app.model import Content, InboundMessage, Route
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.transfer.items import ConversationItem, Item, Line, UnreadableFile

_MAIL_MAX = 50_000_000


def read_mbox(path: Path) -> Iterator[Item]:
    box = mailbox.mbox(path, create=False)
    try:
        for name in box.keys():  # noqa: SIM118 - a mailbox iterates over messages
            yield from _items(box.get_bytes(name))
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path.name}: not an mbox ({type(error).__name__})") from None
    finally:
        box.close()


def read_eml(path: Path) -> Iterator[Item]:
    if path.stat().st_size > _MAIL_MAX:
        raise UnreadableFile(f"{path.name}: larger than {_MAIL_MAX // 1_000_000} MB")
    yield from _items(path.read_bytes())


def _items(raw: bytes) -> Iterator[Item]:
    """None for a mail that no person wrote (a bounce, a list), or in which nothing is readable."""
    content = Content(mime=base64.b64encode(raw).decode())
    mail = mail_of(content)
    date = mail.date or datetime.now(UTC)
    prepared = prepare(
        InboundMessage(
            provider="import",
            event_id=mail.message_id or "",
            dedupe_keys=(),
            channel="email",
            route=Route.RECIPIENT,
            sender=mail.from_address or "",
            received_at=date,
            sent_at=date,
            content=content,
        )
    )
    if prepared.automatic or not (prepared.text.strip() or prepared.head):
        return
    moment = prepared.said_at or date
    yield ConversationItem(
        lines=(Line(mail.from_name or mail.from_address or "?", prepared.text),),
        started_at=moment,
        finished_at=moment,
        source="other_text",
        spec="email",
        head=prepared.head or "",
    )
