"""The parts of a mail: one walk that collects bodies, invitations, attached mails and attachments. Pure."""

from __future__ import annotations

import re
from email.message import Message

from integration_app.mail.bodies import STUB_SHARE, choose_body, within
from integration_app.mail.bounds import TAGS_MAX
from integration_app.mail.headers import header
from integration_app.mail.structure import (
    attached_mail,
    children,
    file_name,
    is_attachment,
    is_calendar,
    parse,
    shorten_headers,
    text_of,
)
from integration_app.model import Attachment
from integration_app.text.calendar import invitations
from integration_app.text.charsets import decode
from integration_app.text.clean import one_line
from integration_app.text.kinds import FileKind, kind_of_file

_DEPTH_MAX = 30
_PARTS_MAX = 300
_HELD_MAX = 25_000_000
"""Bytes of attachments of one mail that are taken along to be read."""
_MAILS_MAX = 20
_ROWS_MAX = 20_000
_UNREAD_MAX = 100_000
_MIME_NOTE = re.compile(r"multi-?part|MIME|mime", re.IGNORECASE)


class Parts:
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
        self._left_out = 0
        self._tags, self._rows = TAGS_MAX, _ROWS_MAX

    def whole(self, said: str) -> str:
        """Invitations, the body, the mails that are attached."""
        note = f"[{self._left_out} more parts were left out]" if self._left_out else ""
        return "\n\n".join(part for part in (*self.invited, said, *self.mails, note) if part.strip())

    def named(self, text: str) -> tuple[Attachment, ...]:
        """What came along; pictures shown inside the text only where there is no text."""
        return tuple(self.attachments if text.strip() else [*self.attachments, *self.pictures])

    def add(self, attachment: Attachment) -> None:
        """An attachment of a mail that the provider took apart."""
        data, kind = attachment.data, kind_of_file(attachment.content_type, attachment.name)
        if data is not None and kind is FileKind.MAIL:
            inner = parse(data)
            if inner is not None and inner.keys():
                self._add_mail(inner, 0)
                return
        if data is not None and kind is FileKind.CALENDAR and self._invites(decode(data, attachment.charset)):
            return
        self._keep(attachment)

    def render(self, part: Message, depth: int) -> str:
        self._parts += 1
        if depth > _DEPTH_MAX or self._parts > _PARTS_MAX:
            self._left_out += 1
            return ""
        shorten_headers(part)
        kind = part.get_content_type()
        if kind == "message/rfc822":
            if (inner := attached_mail(part)) is not None:
                self._add_mail(inner, depth)
            return ""
        if is_calendar(part):
            if not self._invites(text_of(part)):
                self._note(part)
            return ""
        if part.is_multipart():
            inside = list(children(part))
            if kind == "multipart/alternative":
                return self._alternative(inside, depth)
            texts = (self.render(child, depth + 1) for child in inside)
            text = "\n\n".join(text for text in texts if text.strip())
            return text or self._preamble(part)
        if part.get_content_maintype() == "multipart":  # its boundary is nowhere: what there is, is the text
            return self._chosen(text_of(part), None)
        if is_attachment(part):
            self._attach(part, depth)
            return ""
        if kind in ("text/plain", "text/enriched"):
            return self._chosen(text_of(part), None)
        if kind == "text/html":
            return self._chosen(None, text_of(part))
        self._attach(part, depth)
        return ""

    def _preamble(self, part: Message) -> str:
        """Words in front of the first part are shown by no program; where there are no others, they are the mail."""
        words = part.preamble or ""
        return "" if not words.strip() or _MIME_NOTE.search(words) else self._chosen(words, None)

    def _attach(self, part: Message, depth: int) -> None:
        kind = kind_of_file(part.get_content_type(), file_name(part))
        data = part.get_payload(decode=True)
        if kind is FileKind.MAIL and isinstance(data, bytes):
            inner = parse(data)
            if inner is not None and inner.keys():
                self._add_mail(inner, depth)
                return
        if kind is FileKind.CALENDAR and self._invites(text_of(part)):
            return
        self._note(part)

    def _alternative(self, children: list[Message], depth: int) -> str:
        leaves = [child for child in children if not child.is_multipart() and not is_attachment(child)]
        plain = [child for child in leaves if child.get_content_type() == "text/plain"]
        html = [child for child in leaves if child.get_content_type() == "text/html"]
        others = [child for child in children if not any(child is leaf for leaf in (*plain, *html))]
        rest = [text for child in others if (text := self.render(child, depth + 1)).strip()]
        said = ("\n\n".join(map(text_of, plain)) if plain else None, "\n".join(map(text_of, html)) if html else None)
        chosen = self._chosen(*said)
        other = "\n\n".join(rest)  # HTML together with its images, most of the time
        return other if len(chosen.strip()) <= STUB_SHARE * len(other) else chosen

    def _chosen(self, plain: str | None, html: str | None) -> str:
        tags = (html or "").count("<")
        if self._tags <= 0 or self._rows <= 0:  # so much has been said that the rest is taken as it stands
            return within(plain or html or "")[:_UNREAD_MAX]
        body = choose_body(
            plain,
            html,
            subject=self._subject,
            is_reply=self._is_reply,
            tags=self._tags,
            follows=self.said,
            whole=bool(self._attached),
        )
        self._tags -= tags
        self._rows -= (plain or "").count("\n")
        if self._attached:
            return body.text
        self.is_forward = self.is_forward or body.is_forward
        self.said = self.said or bool(body.text.strip())
        if body.history:
            self.history.append(body.history)
        return body.text

    def _add_mail(self, inner: Message, depth: int) -> None:
        """A mail attached to a mail: its head and its text, whole."""
        if len(self.mails) >= _MAILS_MAX or depth > _DEPTH_MAX:
            self.attachments.append(Attachment("message/rfc822", one_line(header(inner, "subject"), 120) or None))
            return
        place = len(self.mails)
        self.mails.append("")  # before those that are inside it
        self._attached += 1
        head = [
            f"{name}: {one_line(value)}"
            for name in ("From", "Date", "Subject")
            if (value := header(inner, name.lower()))
        ]
        text = self.render(inner, depth + 1)
        self._attached -= 1
        self.mails[place] = "\n".join(["---------- Forwarded message ----------", *head, "", text])

    def _invites(self, calendar: str) -> bool:
        """One line, however often the same invitation comes along (most programs send it twice)."""
        lines = invitations(calendar)
        self.invited += [line for line in lines if line not in self.invited]
        return bool(lines)

    def _note(self, part: Message) -> None:
        """Keep an attachment, with its bytes where they can be read."""
        kind, name = part.get_content_type(), file_name(part)
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
