"""What a message of the Cloud API means, in words. Pure.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integration_app.errors import DoorError, MalformedPayload
from integration_app.model import Attachment, Content, Evidence, InboundMessage, Route
from integration_app.providers.base import SIGNED_TIME_MAX
from integration_app.providers.common.attachments import bare_name
from integration_app.providers.common.batches import or_refusal
from integration_app.providers.common.carrier_words import is_for_us
from integration_app.providers.common.forms import form_lines
from integration_app.providers.common.json_body import at, moment, objects_at, place_at, text_at
from integration_app.providers.common.phones import international
from integration_app.text.addresses import account

NAME, CHANNEL = "whatsapp-cloud", "whatsapp"
FILE = "whatsapp-media:"
"""In front of a file's id, where other vendors have a URL."""

_FILES = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg", "document": "application/octet-stream",
          "sticker": "image/webp"}  # fmt: skip
_SILENT = frozenset(("reaction", "system"))
"""Nothing that a person wrote for us."""


def messages_in(
    body: Mapping[str, Any], numbers: tuple[str, ...], received_at: datetime
) -> tuple[InboundMessage | DoorError, ...]:
    """All that people wrote to one of these numbers (their ids; none: to any), in the order sent; in the place of what
    is not as documented, why.
    """
    if at(body, "object") != "whatsapp_business_account":
        raise MalformedPayload("object is not whatsapp_business_account")
    return tuple(
        or_refusal(partial(_message, said, value, received_at))
        for entry in objects_at(body, "entry")
        for change in objects_at(entry, "changes")
        for value in [at(change, "value")]
        if not numbers or text_at(value, "metadata", "phone_number_id") in numbers
        for said in objects_at(value, "messages")
        if kind_of(said) not in _SILENT
    )


def kind_of(said: Mapping[str, Any]) -> str:
    """Its type; some messages have none, and are told by what they carry."""
    return text_at(said, "type") or next((kind for kind in ("text", "location", *_FILES) if kind in said), "unknown")


def _message(said: Mapping[str, Any], value: Any, received_at: datetime) -> InboundMessage:
    identifier, sender = text_at(said, "id"), sender_of(said)
    if not identifier or not sender:
        raise MalformedPayload("a message without id, or without from and from_user_id")
    written = moment(text_at(said, "timestamp") or None)
    if written and received_at - written > SIGNED_TIME_MAX:
        raise MalformedPayload("written weeks ago: it may be a copy of an old request")
    place = place_at(at(said, "location"), "latitude", "longitude")
    context = at(said, "context")
    forwarded = True in (at(context, "forwarded"), at(context, "frequently_forwarded"))
    lines = [line for line in _lines(said, place) if line]
    if text_at(context, "id") and lines and not is_for_us(lines[0]):
        lines.insert(0, "[In answer to an earlier message]")
    return InboundMessage(
        provider=NAME,
        event_id=identifier[:200],
        dedupe_keys=(f"{NAME}:{identifier}",),
        channel=CHANNEL,
        route=Route.SENDER,
        sender=sender,
        sender_name=_name(value, said) or None,
        recipients=(text_at(value, "metadata", "display_phone_number")[:100],),
        received_at=received_at,
        sent_at=written,
        speaker="Forwarded" if forwarded else None,
        content=Content(text="\n".join(lines), attachments=tuple(_files(said)), place=place),
        evidence=Evidence(platform=True),
    )


def sender_of(said: Mapping[str, Any]) -> str:
    """The number; of a user who hides it, the id that they have for this business."""
    number = text_at(said, "from")
    return international(number) if number else _account(text_at(said, "from_user_id"))


def _account(user_id: str) -> str:
    return account(CHANNEL, user_id) if user_id else ""


def _name(value: Any, said: Mapping[str, Any]) -> str:
    known = ("wa_id", text_at(said, "from")), ("user_id", text_at(said, "from_user_id"))
    for contact in objects_at(value, "contacts"):
        if any(mine and text_at(contact, field) == mine for field, mine in known):
            return text_at(contact, "profile", "name")[:120]
    return ""


def _lines(said: Mapping[str, Any], place: tuple[float, float] | None) -> Iterator[str]:
    kind = kind_of(said)
    part = at(said, kind)
    match kind:
        case "text":
            yield text_at(part, "body")
        case "button":
            yield text_at(part, "text")
        case "interactive":
            yield from _chosen(part)
        case "location" if place:
            name = ", ".join(row for field in ("name", "address") if (row := text_at(part, field)))
            yield f"[Location: {name + ' ' if name else ''}({place[0]}, {place[1]})]"
        case "contacts":
            for contact in objects_at(said, "contacts"):
                rows = [text_at(contact, "name", "formatted_name")]
                rows += [text_at(phone, "phone") for phone in objects_at(contact, "phones")]
                yield f"[Contact: {', '.join(row for row in rows if row) or 'without a name'}]"
        case "order":
            yield f"[An order of {len(objects_at(part, 'product_items'))} things]"
            yield text_at(part, "text")
        case _ if kind in _FILES:
            yield text_at(part, "caption")
        case _:
            yield "[A kind of message that WhatsApp does not hand over: open it on your phone]"
    advert = ", ".join(row for field in ("headline", "source_url") if (row := text_at(said, "referral", field)))
    if advert:
        yield f"[Came from an advert: {advert}]"


def _chosen(part: Any) -> Iterator[str]:
    for answer in ("button_reply", "list_reply"):
        yield text_at(part, answer, "title")
        yield text_at(part, answer, "description")
    if raw := text_at(part, "nfm_reply", "response_json"):
        yield form_lines(raw)


def _files(said: Mapping[str, Any]) -> Iterator[Attachment]:
    kind = kind_of(said)
    part = at(said, kind)
    identifier = text_at(part, "id")
    if kind in _FILES and identifier:
        yield Attachment(
            content_type=text_at(part, "mime_type").partition(";")[0].strip()[:100] or _FILES[kind],
            name=bare_name(text_at(part, "filename")),
            url=f"{FILE}{identifier[:200]}",
        )
