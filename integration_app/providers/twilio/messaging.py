"""What a message webhook of Twilio means: SMS, MMS, WhatsApp, RCS. Pure.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from integration_app.errors import MalformedPayload
from integration_app.model import Attachment, Content, Evidence, Route
from integration_app.providers.common.carrier_words import carrier_word, is_for_us
from integration_app.providers.common.forms import form_lines
from integration_app.providers.common.phones import dialled
from integration_app.providers.twilio.parts import Parsed

_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_MEDIA_MAX = 10
_GROUP_MAX = 20
PLATFORMS = frozenset(("whatsapp", "rcs"))
"""Networks that know who sends; the number of a plain text is the carrier's claim."""


def sid_of(fields: Mapping[str, str]) -> str:
    """The message's id; old names repeat it."""
    return fields.get("MessageSid") or fields.get("SmsMessageSid") or fields.get("SmsSid") or ""


def parse_message(fields: Mapping[str, str], control_words: frozenset[str]) -> Parsed:
    sid = sid_of(fields)
    if not _SID.fullmatch(sid):
        raise MalformedPayload("MessageSid is missing")
    channel, sender = channel_of(fields.get("From", ""))
    if not sender:
        raise MalformedPayload("From is missing")
    body = _body(fields)
    forwarded = "true" in (fields.get("Forwarded"), fields.get("FrequentlyForwarded"))
    return Parsed(
        key=sid,
        event_id=sid,
        channel=channel,
        route=Route.SENDER,
        sender=sender,
        sender_name=fields.get("ProfileName") or None,
        to=fields.get("To", "").strip()[:100],
        speaker="Forwarded" if forwarded else None,
        control=_control_word(fields, body, control_words),
        content=Content(text=_text(body, fields), attachments=_media(fields), place=_place(fields)),
        evidence=Evidence(platform=channel in PLATFORMS),
    )


def channel_of(sender: str) -> tuple[str, str]:
    """Channel and sender: `whatsapp:+1555…` says both. An MMS belongs to the same thread as texts."""
    prefix, colon, rest = sender.strip().partition(":")
    if colon and prefix.lower() in PLATFORMS:
        return prefix.lower(), dialled(rest, None)
    return "sms", dialled(sender, None)


def _body(fields: Mapping[str, str]) -> str:
    """What was written, or chosen from buttons or a list, or filled in: a form's Body says nothing ("Sent").

    https://www.twilio.com/docs/content/flows
    """
    if form := form_lines(fields.get("InteractiveData") or fields.get("FlowData") or "{}"):
        return form
    chosen = "\n".join(row for name in ("ListTitle", "ListDescription") if (row := fields.get(name)))
    return fields.get("Body", "") or fields.get("ButtonText", "") or chosen


def _control_word(fields: Mapping[str, str], body: str, words: frozenset[str]) -> str | None:
    if fields.get("OptOutType"):
        return fields["OptOutType"].upper()[:10]
    return None if fields.get("ButtonPayload") else carrier_word(body, words)


def _media(fields: Mapping[str, str]) -> tuple[Attachment, ...]:
    try:
        count = min(int(fields.get("NumMedia") or 0), _MEDIA_MAX)
    except ValueError:
        count = _MEDIA_MAX  # said to be a number, is not: look for what is there
    rows = ((fields.get(f"MediaContentType{number}"), fields.get(f"MediaUrl{number}")) for number in range(count))
    return tuple(Attachment(content_type=kind[:100], url=(url or "")[:500] or None) for kind, url in rows if kind)


def _place(fields: Mapping[str, str]) -> tuple[float, float] | None:
    """Where the sender says to be, in degrees."""
    try:
        place = float(fields.get("Latitude", "")), float(fields.get("Longitude", ""))
    except ValueError:
        return None
    return place if abs(place[0]) <= 90 and abs(place[1]) <= 180 else None


def _text(body: str, fields: Mapping[str, str]) -> str:
    """The words, and in words what else belongs to them: a place, an ad, a group, an answered message."""
    lines = [body]
    latitude, longitude = fields.get("Latitude"), fields.get("Longitude")
    if latitude and longitude:
        place = ", ".join(part for part in (fields.get("Label"), fields.get("Address")) if part)
        lines.append(f"[Location: {place + ' ' if place else ''}({latitude}, {longitude})]")
    advert = [fields[name] for name in ("ReferralHeadline", "ReferralSourceUrl") if fields.get(name)]
    if advert:
        lines.append(f"[Came from an advert: {', '.join(advert)}]")
    others = [fields[name] for name in (f"OtherRecipients{number}" for number in range(_GROUP_MAX)) if fields.get(name)]
    if others:
        lines.append(f"[Group text, also to {', '.join(others)}]")
    said = "\n".join(line for line in lines if line)
    if fields.get("OriginalRepliedMessageSid") and said and not is_for_us(body):
        return f"[In answer to an earlier message]\n{said}"
    return said
