"""A raw mail's parts, headers and attachments, through the standard library's parser behind guards.

The parser is asked for structure only (its header objects recurse and turn quadratic on hostile input); headers and
charsets are decoded here, one by one, each within a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timezone
from email.errors import MessageError

from integration_app.mail.bodies import TEXT_MAX, within
from integration_app.mail.forwards import Forward
from integration_app.mail.headers import author_of, automatic_cause, date_of, header, zone_of
from integration_app.mail.parts import Parts
from integration_app.mail.structure import parse
from integration_app.model import Attachment
from integration_app.text.charsets import decode


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says. `date` is the sender's claim, aware and UTC; addresses are claims too.

    `automatic`: why no person wrote it. `zone`: the offset of the sender's clock. `forward`: the mail inside it;
    `several`: there is more than one. `history`: the mail that is answered, cut off `text`.
    """

    subject: str | None = None
    from_name: str | None = None
    from_address: str | None = None
    date: datetime | None = None
    message_id: str | None = None
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    is_reply: bool = False
    automatic: str | None = None
    zone: timezone = UTC
    forward: Forward | None = None
    several: bool = False
    history: str = ""
    is_forward: bool = False


def read_mail(raw: bytes, *, envelope_from: str | None = None) -> Mail:
    """Read one mail. A mail that cannot be taken apart comes back as its readable source rather than as nothing."""
    message = parse(raw)
    if message is None:
        return Mail(text=decode(raw[:TEXT_MAX]))
    try:
        is_reply = bool(header(message, "in-reply-to") or header(message, "references"))
        body = Parts(header(message, "subject"), is_reply)
        text = body.whole(body.render(message, 0))
    except (RecursionError, MessageError, ValueError, LookupError, KeyError, IndexError, AttributeError, TypeError):
        return Mail(text=decode(raw[:TEXT_MAX]))
    name, address = author_of(header(message, "from"))
    return Mail(
        subject=header(message, "subject") or None,
        from_name=name,
        from_address=address,
        date=date_of(header(message, "date")),
        message_id=header(message, "message-id").strip() or None,
        text=within(text),
        attachments=body.named(text),
        is_reply=is_reply,
        automatic=automatic_cause(
            lambda name: header(message, name),
            sender=address or "",
            envelope_from=envelope_from,
            invites=bool(body.invited),
        ),
        zone=zone_of(header(message, "date")),
        several=len(body.mails) > 1,
        history=within("\n\n".join(body.history)),
        is_forward=body.is_forward or (len(body.mails) == 1 and not body.said),
    )


def read_parsed(mail: Mail, attachments: Sequence[Attachment], *, said: str) -> Mail:
    """A mail that the provider took apart, with the invitations and mails among its attachments read as `read_mail`
    reads them. `said`: its body, cut.
    """
    body = Parts("", is_reply=False)
    for attachment in attachments:
        body.add(attachment)
    text = body.whole(said)
    return replace(
        mail,
        text=within(text),
        attachments=body.named(text),
        several=len(body.mails) > 1,
        is_forward=mail.is_forward or (len(body.mails) == 1 and not said.strip()),
    )
