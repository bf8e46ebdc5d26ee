"""What a webhook of Twilio Conversations means: a message that was added, with its author instead of a sender. Pure.

https://www.twilio.com/docs/conversations-classic/conversations-webhooks
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from integration_app.errors import MalformedPayload
from integration_app.model import Attachment, Content, Evidence, Route
from integration_app.providers.common.attachments import bare_name
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.json_body import moment, objects_at, text_at
from integration_app.providers.twilio.messaging import PLATFORMS, channel_of
from integration_app.providers.twilio.parts import Parsed
from integration_app.text.addresses import account

ADDED = "onMessageAdded"
MEDIA = "conversation-media:"
"""In front of the path of a medium, where other messages have its URL."""
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_OF_APPS = frozenset(("SDK", "API", "CHAT"))
_PHONE = re.compile(r"\+\d{5,15}")
_MEDIA_MAX = 10


def is_conversation(fields: Mapping[str, str]) -> bool:
    return "EventType" in fields and "ConversationSid" in fields


def parse_added(fields: Mapping[str, str], control_words: frozenset[str]) -> Parsed:
    """A phone's message by its number; a person in an app's chat by the identity that the app gave them."""
    sid, author = fields.get("MessageSid", ""), fields.get("Author", "").strip()
    if fields.get("EventType") != ADDED or not _SID.fullmatch(sid) or not author:
        raise MalformedPayload("EventType, MessageSid or Author is missing")
    channel, sender = channel_of(author)
    # people of an app choose their own names: those are believed to be numbers of nobody
    is_of_app = fields.get("Source", "SDK").upper() in _OF_APPS or "ClientIdentity" in fields
    if is_of_app or not _PHONE.fullmatch(sender):
        channel, sender = "chat", account("twilio-chat", author)
    body = fields.get("Body", "")
    return Parsed(
        key=sid,
        event_id=sid,
        channel=channel,
        route=Route.SENDER,
        sender=sender,
        to=fields.get("ConversationSid", "")[:100],
        sent_at=moment(fields.get("DateCreated")),
        control=carrier_word(body, control_words) if channel == "sms" else None,
        content=Content(text=body, attachments=_media(fields)),
        evidence=Evidence(platform=channel in PLATFORMS or channel == "chat"),
    )


def _media(fields: Mapping[str, str]) -> tuple[Attachment, ...]:
    service = fields.get("ChatServiceSid", "")
    return tuple(_attachment(row, service) for row in objects_at(_list(fields.get("Media", "")))[:_MEDIA_MAX])


def _attachment(row: Mapping[str, Any], service: str) -> Attachment:
    sid, size = text_at(row, "Sid") or text_at(row, "MediaSid"), text_at(row, "Size")
    is_known = bool(_SID.fullmatch(sid) and _SID.fullmatch(service))
    return Attachment(
        content_type=text_at(row, "ContentType")[:100] or "application/octet-stream",
        name=bare_name(text_at(row, "Filename")),
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 12 else None,
        url=f"{MEDIA}v1/Services/{service}/Media/{sid}" if is_known else None,
    )


def _list(raw: str) -> Any:
    try:
        return json.loads(raw) if raw else []
    except (ValueError, RecursionError):
        return []
