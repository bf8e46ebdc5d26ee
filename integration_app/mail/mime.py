"""A raw mail's parts, headers and attachments, through the standard library's parser behind guards.

The parser is asked for structure only (its header objects recurse and turn quadratic on hostile input); headers and
charsets are decoded here, one by one, each within a limit.
"""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from email.errors import MessageError
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime

from integration_app.mail.automatic import automatic_cause
from integration_app.mail.calendar import invitation
from integration_app.mail.forwards import Forward
from integration_app.mail.history import is_forward, split_history
from integration_app.mail.html import html_to_text
from integration_app.mail.signs import is_reply_subject
from integration_app.model import Attachment
from integration_app.text.charsets import decode, decode_words
from integration_app.text.clean import one_line
from integration_app.text.kinds import FileKind, kind_of_file

TEXT_MAX = 1_000_000
"""Characters of text taken out of one mail."""

_HEADER_MAX = 4_000
_DEPTH_MAX = 30
_PARTS_MAX = 300
_HELD_MAX = 25_000_000
"""Bytes of attachments of one mail that are taken along to be read."""
_MAILS_MAX = 20
_BOUNDARIES_MAX = 200
_STUB_SHARE = 0.05

_ADDRESS = re.compile(r"[^\s<>@\"'(),;:\[\]]{1,64}@[^\s<>@\"'(),;:\[\]]{1,190}")
_LOOKS_LIKE_HTML = re.compile(r"\s*<(?:!doctype|html|body|div|p|table)\b", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class Body:
    """One body, cut. `history` is what was cut; a forward is never cut."""

    text: str
    history: str = ""
    is_forward: bool = False


def read_mail(raw: bytes, *, envelope_from: str | None = None) -> Mail:
    """Read one mail. A mail that cannot be taken apart comes back as its readable source rather than as nothing."""
    if raw.lower().count(b"boundary") > _BOUNDARIES_MAX:
        return Mail(text=decode(raw[:TEXT_MAX]))  # the parser compares every line with every boundary
    try:
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
        is_reply = bool(_header(message, "in-reply-to") or _header(message, "references"))
        body = _Body(_header(message, "subject"), is_reply)
        text = body.whole(body.render(message, 0))
    except (RecursionError, MessageError, ValueError, LookupError, KeyError, IndexError, AttributeError, TypeError):
        return Mail(text=decode(raw[:TEXT_MAX]))
    name, address = _from(_header(message, "from"))
    return Mail(
        subject=_header(message, "subject") or None,
        from_name=name,
        from_address=address,
        date=date_of(_header(message, "date")),
        message_id=_header(message, "message-id").strip() or None,
        text=within(text),
        attachments=body.named(text),
        is_reply=is_reply,
        automatic=automatic_cause(
            lambda header: _header(message, header),
            sender=address or "",
            envelope_from=envelope_from,
            invites=bool(body.invited),
        ),
        zone=zone_of(_header(message, "date")),
        several=len(body.mails) > 1,
        history=within("\n\n".join(body.history)),
        is_forward=body.is_forward or (len(body.mails) == 1 and not body.said),
    )


def read_parsed(mail: Mail, attachments: Sequence[Attachment], *, said: str) -> Mail:
    """A mail that the provider took apart, with the invitations and mails among its attachments read as `read_mail`
    reads them. `said`: its body, cut.
    """
    body = _Body("", is_reply=False)
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


def within(text: str) -> str:
    """As much as is ever looked at, and a word where there was more."""
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[:TEXT_MAX]}\n\n[Cut here: {len(text) - TEXT_MAX:,} more characters were left out]"


def zone_of(date: str) -> timezone:
    """The offset of a sender's clock, from the `Date` header; UTC where it says none."""
    try:
        return timezone(parsedate_to_datetime(date[:100]).utcoffset() or timedelta(0))
    except (TypeError, ValueError, OverflowError, IndexError):
        return UTC


def choose_body(plain: str | None, html: str | None, *, subject: str = "", is_reply: bool = False) -> Body:
    """The plain text, unless it is empty, a stub ("view in browser") or HTML in disguise; then the HTML's text."""
    plain, html = plain or "", html or ""
    if plain.strip() and _LOOKS_LIKE_HTML.match(plain[:200]):
        plain, html = "", html or plain
    if not html.strip():
        return _cut(within(plain), subject, is_reply)
    if not plain.strip():
        return _html_body(html, subject, is_reply)
    if len(plain.strip()) < 400:
        rendered = _html_body(html, subject, is_reply)
        if len(plain.strip()) < _STUB_SHARE * len(rendered.text):
            return rendered
    return _cut(within(plain), subject, is_reply)


def _cut(text: str, subject: str, is_reply: bool) -> Body:
    if is_forward(text, subject):
        return Body(text, is_forward=True)
    split = split_history(text, subject=subject, is_reply=is_reply)
    return Body(split.own, split.history)


def _html_body(html: str, subject: str, is_reply: bool) -> Body:
    """A reply without its history, where something is left; mail programs wrap forwards into the same containers."""
    whole = within(html_to_text(html))
    replies = is_reply or is_reply_subject(subject)
    if not replies or is_forward(whole, subject) or _answers_inside(whole):
        return _cut(whole, subject, is_reply)
    own = within(html_to_text(html, drop_history=True))
    if not own.strip() or own == whole:
        return _cut(whole, subject, is_reply)
    cut = _cut(own, subject, is_reply)
    return Body(cut.text, whole, cut.is_forward)


def _answers_inside(text: str) -> bool:
    """Something unquoted stands below something quoted: the answers are in between, or below."""
    lines = [line for line in text.split("\n") if line.strip()]
    quoted = [line.startswith(">") for line in lines]
    return True in quoted and False in quoted[quoted.index(True) :]


class _Body:
    """One walk through a mail's parts: collects attachments, returns text."""

    def __init__(self, subject: str, is_reply: bool) -> None:
        self._subject, self._is_reply = subject, is_reply
        self.attachments: list[Attachment] = []
        self.pictures: list[Attachment] = []  # shown inside the text; named where there is no text
        self.mails: list[str] = []  # attached ones, as text
        self.invited: list[str] = []
        self.history: list[str] = []
        self.is_forward = False
        self.said = False  # there are words beside an attached mail
        self._parts = 0
        self._attached = 0  # how many attached mails deep
        self._held = 0

    def whole(self, said: str) -> str:
        """Invitations, the body, the mails that are attached."""
        return "\n\n".join(part for part in (*self.invited, said, *self.mails) if part.strip())

    def named(self, text: str) -> tuple[Attachment, ...]:
        """What came along; pictures shown inside the text only where there is no text."""
        return tuple(self.attachments if text.strip() else [*self.attachments, *self.pictures])

    def add(self, attachment: Attachment) -> None:
        """An attachment of a mail that the provider took apart."""
        data, kind = attachment.data, kind_of_file(attachment.content_type, attachment.name)
        if data is not None and kind is FileKind.MAIL:
            inner = email.message_from_bytes(data, policy=email.policy.compat32)
            if inner.keys() and data.lower().count(b"boundary") <= _BOUNDARIES_MAX:
                self._add_mail(inner, 0)
                return
        if data is not None and kind is FileKind.CALENDAR and self._invites(decode(data, attachment.charset)):
            return
        self._keep(attachment)

    def render(self, part: Message, depth: int) -> str:
        self._parts += 1
        if depth > _DEPTH_MAX or self._parts > _PARTS_MAX:
            return ""
        _shorten_headers(part)
        kind = part.get_content_type()
        if kind == "message/rfc822":
            if (inner := _attached_mail(part)) is not None:
                self._add_mail(inner, depth)
            return ""
        if _is_calendar(part):
            if not self._invites(_text(part)):
                self._note(part)
            return ""
        if part.is_multipart():
            children = list(_children(part))
            if kind == "multipart/alternative":
                return self._alternative(children, depth)
            texts = (self.render(child, depth + 1) for child in children)
            return "\n\n".join(text for text in texts if text.strip())
        if _is_attachment(part):
            self._attach(part, depth)
            return ""
        if kind == "text/plain":
            return self._chosen(_text(part), None)
        if kind == "text/html":
            return self._chosen(None, _text(part))
        self._attach(part, depth)
        return ""

    def _attach(self, part: Message, depth: int) -> None:
        if kind_of_file(part.get_content_type(), _file_name(part)) is FileKind.MAIL and isinstance(
            data := part.get_payload(decode=True), bytes
        ):
            inner = email.message_from_bytes(data, policy=email.policy.compat32)
            if inner.keys() and data.lower().count(b"boundary") <= _BOUNDARIES_MAX:
                self._add_mail(inner, depth)
                return
        self._note(part)

    def _alternative(self, children: list[Message], depth: int) -> str:
        leaves = {child.get_content_type(): child for child in reversed(children) if not child.is_multipart()}
        plain, html = leaves.get("text/plain"), leaves.get("text/html")
        others = [child for child in children if child is not plain and child is not html]
        rest = [text for child in others if (text := self.render(child, depth + 1)).strip()]
        chosen = self._chosen(_text(plain) if plain else None, _text(html) if html else None)
        other = "\n\n".join(rest)  # HTML together with its images, most of the time
        return other if len(chosen.strip()) <= _STUB_SHARE * len(other) else chosen

    def _chosen(self, plain: str | None, html: str | None) -> str:
        if self._attached:
            return within(plain if plain and plain.strip() else html_to_text(html or ""))
        body = choose_body(plain, html, subject=self._subject, is_reply=self._is_reply)
        self.is_forward = self.is_forward or body.is_forward
        self.said = self.said or bool(body.text.strip())
        if body.history:
            self.history.append(body.history)
        return body.text

    def _add_mail(self, inner: Message, depth: int) -> None:
        """A mail attached to a mail: its head and its text, whole."""
        if len(self.mails) >= _MAILS_MAX or depth > _DEPTH_MAX:
            self.attachments.append(Attachment("message/rfc822", one_line(_header(inner, "subject"), 120) or None))
            return
        place = len(self.mails)
        self.mails.append("")  # before those that are inside it
        self._attached += 1
        head = [
            f"{name}: {one_line(value)}"
            for name in ("From", "Date", "Subject")
            if (value := _header(inner, name.lower()))
        ]
        text = self.render(inner, depth + 1)
        self._attached -= 1
        self.mails[place] = "\n".join(["---------- Forwarded message ----------", *head, "", text])

    def _invites(self, calendar: str) -> bool:
        """One line, however often the same invitation comes along (most programs send it twice)."""
        line = invitation(calendar)
        if line is not None and line not in self.invited:
            self.invited.append(line)
        return line is not None

    def _note(self, part: Message) -> None:
        """Keep an attachment, with its bytes where they can be read."""
        kind, name = part.get_content_type(), _file_name(part)
        payload = part.get_payload(decode=False)
        size = len(payload) if isinstance(payload, str) else 0
        if str(part.get("content-transfer-encoding", "")).strip().lower() == "base64":
            size = len("".join(payload.split()).rstrip("=")) * 3 // 4 if isinstance(payload, str) else 0
        data = part.get_payload(decode=True) if kind_of_file(kind, name) and size <= _HELD_MAX - self._held else None
        charset = part.get_param("charset")
        self._keep(
            Attachment(
                content_type=one_line(kind, 100),
                name=name,
                size=size,
                data=data if isinstance(data, bytes) else None,
                charset=str(charset) if charset and not isinstance(charset, tuple) else None,
            ),
            inline=(part.get_content_disposition() or "inline") == "inline" and bool(part.get("content-id")),
        )

    def _keep(self, attachment: Attachment, *, inline: bool = False) -> None:
        """Images shown inside the text are part of its looks, not something that came along."""
        self._held += len(attachment.data or b"")
        is_picture = inline and attachment.content_type.startswith("image/")
        (self.pictures if is_picture else self.attachments).append(attachment)


def _children(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (child for child in payload if isinstance(child, Message))


def _attached_mail(part: Message) -> Message | None:
    """The mail in a `message/rfc822` part; in base64 too, which is forbidden and common."""
    inner = next(_children(part), None)
    if inner is None or inner.keys() or str(part.get("content-transfer-encoding", "")).strip().lower() != "base64":
        return inner
    payload = inner.get_payload()
    try:
        raw = base64.b64decode(payload if isinstance(payload, str) else "", validate=False)
    except (binascii.Error, ValueError):
        return inner
    found = email.message_from_bytes(raw, policy=email.policy.compat32)
    return found if found.keys() else inner


def _is_calendar(part: Message) -> bool:
    return kind_of_file(part.get_content_type()) is FileKind.CALENDAR


def _is_attachment(part: Message) -> bool:
    disposition = part.get_content_disposition()
    if disposition is None:
        return part.get_content_maintype() == "text" and bool(_file_name(part))
    return disposition == "attachment"


def _shorten_headers(part: Message) -> None:
    """The standard library reads parameters in quadratic time."""
    for name, value in part.raw_items():
        if len(str(value)) > _HEADER_MAX:
            part.replace_header(name, str(value)[:_HEADER_MAX])


def _file_name(part: Message) -> str | None:
    """The bare file name, without any path, line breaks or control characters."""
    try:
        name = part.get_filename()
    except (LookupError, ValueError, TypeError, AttributeError):
        return None
    if not name:
        return None
    name = one_line(decode_words(str(name)), 120).replace("\\", "/").rpartition("/")[2]
    return name if name.strip(". ") else None


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    label = part.get_param("charset")
    if isinstance(label, tuple):
        label = label[2]
    return decode(data[: TEXT_MAX * 4], str(label) if label else None)


def _header(message: Message, name: str) -> str:
    """The first header of that name: decoded, unfolded, cut to a sane length."""
    for found, value in message.raw_items():
        if found.lower() == name:
            raw = str(value)[:_HEADER_MAX].encode("utf-8", "surrogateescape")
            return one_line(decode_words(decode(raw)), _HEADER_MAX)
    return ""


def _from(value: str) -> tuple[str | None, str | None]:
    """Display name and address. A display name that looks like an address is only a name."""
    try:
        name, address = parseaddr(value[:1000])
    except (RecursionError, ValueError, IndexError):
        name, address = "", ""
    if not _ADDRESS.fullmatch(address):
        found = _ADDRESS.search(value[:1000])
        address = found.group() if found else ""
    return one_line(name, 120) or None, address.lower() or None


def date_of(value: str) -> datetime | None:
    """The `Date` header, aware and UTC; None where it is none."""
    try:
        moment = parsedate_to_datetime(value[:100])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
