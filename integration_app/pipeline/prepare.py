"""From what was said to what goes to Omi: clean text, what it becomes, its tags and its head. Pure.

A text that begins with "remember:" becomes memories, everything else a conversation.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from integration_app.mail import clean, mail_of
from integration_app.mail.clean import one_line
from integration_app.model import Attachment, Content, InboundMessage, Kind, PreparedText

_REMEMBER = re.compile(r"\s*remember\s*[:：]\s*", re.IGNORECASE)
_TAG = re.compile(r"(?<![\w&#/])#([^\W\d_][\w-]{0,49})")

_TAGS_MAX = 20


def is_empty(content: Content) -> bool:
    """Nothing at all was said and nothing came along."""
    said = (content.text, content.html, content.subject, content.mime)
    return not content.attachments and not any(part and part.strip() for part in said)


def kind_of(text: str) -> Kind:
    """What a text asks to become."""
    return Kind.MEMORIES if _REMEMBER.match(text[:200]) else Kind.CONVERSATION


def prepare(message: InboundMessage) -> PreparedText:
    """The text of one message. Empty when nothing readable is left of it."""
    if message.channel == "email":
        return _mail(message)
    if message.hints:
        return PreparedText(clean(message.content.text or ""), message.hints.kind, message.hints.tags)
    lines = [clean(message.content.text or ""), *map(_attachment_line, message.content.attachments)]
    return _by_kind("\n".join(line for line in lines if line))


def said_at(message: InboundMessage) -> datetime:
    """When it was said: the sender's date where it is believable, else when it reached us."""
    if message.hints and message.hints.started_at:
        return message.hints.started_at
    sent = message.sent_at
    if sent and message.received_at - timedelta(days=7) <= sent <= message.received_at + timedelta(minutes=5):
        return sent
    return message.received_at


def _mail(message: InboundMessage) -> PreparedText:
    mail = mail_of(message.content)
    subject = one_line(mail.subject or message.content.subject or "")
    lines = [clean(mail.text), *map(_attachment_line, mail.attachments)]
    text = "\n".join(line for line in lines if line)
    prepared = _by_kind(text)
    if prepared.kind is Kind.MEMORIES:
        return prepared
    name = one_line(mail.from_name or message.sender_name or "", 120)
    address = one_line(message.sender or mail.from_address or "", 320)
    sender = f"{name} <{address}>" if name and address else name or address
    head = [f"From: {sender}"] if sender else []
    head += [f"Subject: {subject}"] if subject else []
    head.append(f"Date: {said_at(message):%a, %d %b %Y %H:%M} UTC")
    if not text and not subject:
        return PreparedText(text="", kind=Kind.CONVERSATION)
    return PreparedText(text=text, kind=Kind.CONVERSATION, head="\n".join(head))


def _by_kind(text: str) -> PreparedText:
    if kind_of(text) is Kind.CONVERSATION:
        return PreparedText(text=text, kind=Kind.CONVERSATION)
    tags = dict.fromkeys(tag.lower() for tag in _TAG.findall(text))
    content = _without_tags(_REMEMBER.sub("", text, count=1))
    return PreparedText(text=content, kind=Kind.MEMORIES, tags=tuple(tags)[:_TAGS_MAX])


def _without_tags(text: str) -> str:
    """Tags at the end are labels and go; inside a sentence they are words and lose only their sign."""
    parts = re.split(r"(\s+)", text.strip())
    while parts and (not parts[-1].strip() or _TAG.fullmatch(parts[-1].rstrip(".,;"))):
        parts.pop()
    kept = _TAG.sub(r"\1", "".join(parts)).strip()
    return kept or _TAG.sub(r"\1", text).strip()


def _attachment_line(attachment: Attachment) -> str:
    parts = [one_line(attachment.name, 120) if attachment.name else "", one_line(attachment.content_type, 100)]
    if attachment.size:
        parts.append(_size(attachment.size))
    return f"[Attachment: {', '.join(part for part in parts if part)}]"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
