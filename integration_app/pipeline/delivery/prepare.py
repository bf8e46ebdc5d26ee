"""From what was said to what goes to Omi: clean text, what it becomes, its tags and its head. Pure.

A message may say what it wants to become: "remember: …" is memories, "note: …" and "todo: …" a conversation; so may
the private address that it was sent to (`…+memory@`, `…+note@`). Where it does not, the user's preference decides, and
without one it is a conversation. Who is asked: the text, then the address, then the user's rules, then the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integration_app.attachments import Reading, read_plain
from integration_app.mail import Forward, Mail, mail_of
from integration_app.model import (
    Attachment,
    Content,
    InboundMessage,
    Kind,
    PreparedText,
)
from integration_app.omi import MEMORY_CONTENT_MAX
from integration_app.text.clean import clean, one_line

_PREFIX = re.compile(r"\s*(remember|note|to-?do)\s*[:：]\s*", re.IGNORECASE)
_ASKED = {"remember": Kind.MEMORIES, "note": Kind.CONVERSATION, "todo": Kind.CONVERSATION}
_TAG = re.compile(r"(?<!\S)#([^\W\d_][\w-]{0,49})")
_LABEL = re.compile(r"#[^\W\d_]+(?:-[^\W\d_]+)*[.,;]?")
_FORWARD_PREFIX = re.compile(r"\s*[^\W\d_]{1,12}\s?[:：]\s*")
_FORWARD_MARK = "---------- Forwarded message ----------"

TO_DO = "To do: "

_TAGS_MAX = 20
_EARLIEST = timedelta(days=31)
_EARLIEST_ORIGINAL = timedelta(days=3660)
_LATEST = timedelta(minutes=5)
_HISTORY_MAX = 200_000
"""Characters of the answered mail that are kept beside a reply."""


Read = Callable[[Attachment], Reading]


def is_empty(content: Content) -> bool:
    """Nothing at all was said and nothing came along."""
    said = (content.text, content.html, content.subject, content.mime, content.kept_as)
    return not content.attachments and not any(part and part.strip() for part in said)


def kind_of(text: str) -> Kind:
    """What a text asks to become."""
    return _wish(text)[0] or Kind.CONVERSATION


def prepare(message: InboundMessage, read: Read = read_plain) -> PreparedText:
    """The text of one message, the same for every user. Empty when nothing readable is left of it.

    `read` reads what came along; whatever it raises comes through.
    """
    if message.hints:
        return PreparedText(clean(message.content.text or ""), message.hints.kind, message.hints.tags, asked=True)
    if message.channel == "email":
        return _mail(message, read)
    found = _Attached.of(message.content.attachments, read)
    lines = [clean(message.content.text or ""), *found.lines]
    prepared = _by_wish("\n".join(line for line in lines if line))
    return replace(prepared, attached=found.words, named=found.names, place=message.content.place)


@dataclass(frozen=True, slots=True)
class _Attached:
    """What came along: `lines` for everybody (voices, and what cannot be read), `words` of the others, and their
    `names` for a user who does not want them read.
    """

    lines: tuple[str, ...] = ()
    words: str = ""
    names: str = ""

    @classmethod
    def of(cls, attachments: Sequence[Attachment], read: Read) -> _Attached:
        lines, words, names = [], [], []
        for attachment in attachments:
            reading = read(attachment)
            if reading.is_voice:
                lines.append(f"[Voice{f', {reading.detail}' if reading.detail else ''}] {reading.text}")
            elif not reading.text:
                lines.append(_named(attachment, reading.why_not))
            else:
                name = one_line(attachment.name or attachment.content_type, 120)
                detail = f" ({reading.detail})" if reading.detail else ""
                words.append(f"Attachment: {name}{detail}\n{reading.text}")
                names.append(_named(attachment))
        return cls(tuple(lines), "\n\n".join(words), "\n".join(names))


def said_at(message: InboundMessage, prepared: PreparedText | None = None) -> datetime:
    """When it was said: the original's date or the sender's where it is believable, else when it reached us."""
    if prepared and prepared.said_at:
        return prepared.said_at
    if message.hints and message.hints.started_at:
        return message.hints.started_at
    sent, received = message.sent_at, message.received_at
    if sent and received - _EARLIEST <= sent <= received + _LATEST:
        return sent
    return received


def _mail(message: InboundMessage, read: Read) -> PreparedText:
    mail = mail_of(message.content, sender=message.sender, envelope_from=message.envelope_from)
    subject = one_line(mail.subject or message.content.subject or "")
    text = mail.text
    if mail.forward:
        note = mail.forward.note
        text = f"{note}\n\n{_FORWARD_MARK}\n{mail.forward.text}" if note else mail.forward.text
    found = _Attached.of(mail.attachments, read)
    text = "\n".join(line for line in (clean(text), *found.lines) if line)
    if not (text or found.words or subject):
        return PreparedText(text="", kind=Kind.CONVERSATION, automatic=mail.automatic)
    kind, rest = _wish(text)
    if kind is None:
        kind, subject_rest = _wish(subject)
        rest = f"{subject_rest}\n{text}".strip() if kind is not None else text
    written = _original_date(message, mail.forward) or said_at(message)
    prepared = PreparedText(
        text=rest.strip(),
        kind=Kind.CONVERSATION,
        head=_head(message, mail, subject, written),
        asked=kind is not None,
        to_do=_is_to_do(text) or _is_to_do(subject),
        said_at=written if mail.forward else None,
        automatic=mail.automatic,
        history=clean(mail.history)[:_HISTORY_MAX],
        attached=found.words,
        named=found.names,
    )
    return as_kind(prepared, Kind.MEMORIES) if kind is Kind.MEMORIES else prepared


def _head(message: InboundMessage, mail: Mail, subject: str, written: datetime) -> str:
    """Who, what about, when: the original's where a mail was forwarded, and by whom."""
    name = one_line(mail.from_name or message.sender_name or "", 120)
    sender = _person(name, one_line(message.sender or mail.from_address or "", 320))
    forwarder = ""
    if mail.forward:
        original = mail.forward.original
        forwarder, sender = sender, _person(original.name or "", original.address or "") or sender
        subject = original.subject or _FORWARD_PREFIX.sub("", subject, count=1)
    rows = {"From": sender, "Subject": subject, "Date": f"{written:%a, %d %b %Y %H:%M} UTC", "Forwarded by": forwarder}
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value)


def _person(name: str, address: str) -> str:
    return f"{name} <{address}>" if name and address else name or address


def _original_date(message: InboundMessage, forward: Forward | None) -> datetime | None:
    """When the original was written, if that can be: before it reached us, and within ten years."""
    written = forward.original.date if forward else None
    received = message.received_at
    return written if written and received - _EARLIEST_ORIGINAL <= written <= received + _LATEST else None


def _wish(text: str) -> tuple[Kind | None, str]:
    """What a text asks to become, and the text without the word that says so; what is to do keeps saying it."""
    found = _PREFIX.match(text[:200])
    if not found:
        return None, text
    word = found.group(1).lower().replace("-", "")
    rest = text[found.end() :]
    return _ASKED[word], f"{TO_DO}{rest}" if word == "todo" else rest


def _is_to_do(text: str) -> bool:
    found = _PREFIX.match(text[:200])
    return found is not None and found.group(1).lower().startswith("to")


def _by_wish(text: str) -> PreparedText:
    kind, rest = _wish(text)
    prepared = PreparedText(text=rest.strip(), kind=Kind.CONVERSATION, asked=kind is not None, to_do=_is_to_do(text))
    return as_kind(prepared, Kind.MEMORIES) if kind is Kind.MEMORIES else prepared


def as_kind(prepared: PreparedText, kind: Kind) -> PreparedText:
    """The same text as another kind. A memory has tags instead of #words, and no head: its subject stands for it."""
    if kind is Kind.CONVERSATION:
        return replace(prepared, kind=kind)
    text, subject = prepared.text, _wish(subject_of(prepared.head))[1]
    if subject and not _has_words(text):
        text = f"{subject}\n{text}".strip()
    tags = dict.fromkeys(tag.lower() for tag in (*_TAG.findall(text), *_TAG.findall(subject)))
    # a long one is read by Omi, which wants to know from whom and when
    head = prepared.head if len(text) > MEMORY_CONTENT_MAX else None
    return replace(prepared, kind=kind, text=_without_tags(text), tags=tuple(tags)[:_TAGS_MAX], head=head)


def _has_words(text: str) -> bool:
    """Whether it says more than tags and what is attached."""
    lines = [line for line in text.split("\n") if not line.startswith("[Attachment: ")]
    return any(not _TAG.fullmatch(word) for word in " ".join(lines).split())


def subject_of(head: str | None) -> str:
    rows = dict(line.partition(": ")[::2] for line in (head or "").split("\n"))
    return rows.get("Subject", "")


def _without_tags(text: str) -> str:
    """Tags at the end are labels and go; inside a sentence they lose only their sign, and so do names (#B12)."""
    parts = re.split(r"(\s+)", text.strip())
    while parts and (not parts[-1].strip() or _LABEL.fullmatch(parts[-1])):
        parts.pop()
    kept = _TAG.sub(r"\1", "".join(parts)).strip()
    return kept or _TAG.sub(r"\1", text).strip()


def _named(attachment: Attachment, why_not: str = "") -> str:
    parts = [one_line(attachment.name, 120) if attachment.name else "", one_line(attachment.content_type, 100)]
    if attachment.size:
        parts.append(_size(attachment.size))
    why = f" – not read: {why_not}" if why_not else ""
    return f"[Attachment: {', '.join(part for part in parts if part)}{why}]"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
