"""The structure of a mail, through the standard library's parser behind guards, and what one part of it says. Pure."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.message import Message
from itertools import islice

from integration_app.mail.bodies import TEXT_MAX
from integration_app.mail.headers import HEADER_MAX
from integration_app.text.charsets import decode, decode_words
from integration_app.text.clean import one_line
from integration_app.text.kinds import FileKind, kind_of_file

_BOUNDARIES_MAX = 200
_DELIMITERS_MAX = 3_000
_NESTED_MAX = 60
_LINES_MAX = 700_000
"""A mail of fifty megabytes in base64 has fewer."""
_HEAD_MAX = 1_000_000
_ONE_TEXT_MAX = 6_000_000
"""Bytes of a mail that is one text: many times what is kept of it, in any encoding."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CONTENT_TYPE = re.compile(rb"^content-type:\s*(\w+)", re.IGNORECASE | re.MULTILINE)
_LINE_END = re.compile(rb"\n")
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)
_NESTED = re.compile(rb"message/rfc822", re.IGNORECASE)
_FLOWED_TEXT_MAX = 300_000


def parse(raw: bytes) -> Message | None:
    """A mail's structure; None for what cannot be taken apart in reasonable time."""
    raw = _without_endless_lines(_bounded(raw))
    if len(_BOUNDARY.findall(raw)) > _BOUNDARIES_MAX:
        return None  # the parser compares every line with every boundary
    if len(_NESTED.findall(raw)) > _NESTED_MAX:
        raw = _NESTED.sub(b"application/x-mail", raw)  # it would recurse into each; now they are named
    if raw.count(b"\n--") > _DELIMITERS_MAX:
        raw = raw[: _nth(raw, b"\n--", _DELIMITERS_MAX)]
    if raw.count(b"\n") > _LINES_MAX:
        raw = _first_lines(raw, _LINES_MAX)  # the parser keeps an object for each
    try:
        return email.message_from_bytes(raw, policy=email.policy.compat32)
    except (RecursionError, MessageError, ValueError, LookupError, AttributeError, TypeError):
        return None


def _nth(raw: bytes, piece: bytes, count: int) -> int:
    at = -1
    for _ in range(count):
        at = raw.find(piece, at + 1)
    return at


def _bounded(raw: bytes) -> bytes:
    """Without what is no mail's: megabytes of headers, and more text in one part than is ever shown."""
    end = _HEAD_END.search(raw)
    head, body = (raw[: end.start()], raw[end.start() :]) if end else (raw[:_HEAD_MAX], b"")
    if len(head) > _HEAD_MAX:
        head = head[: head.rfind(b"\n", 0, _HEAD_MAX) + 1].rstrip(b"\r\n")
    kind = _CONTENT_TYPE.search(head)
    if len(body) > _ONE_TEXT_MAX and (kind is None or kind[1].lower() == b"text"):
        body = body[:_ONE_TEXT_MAX]
    return raw if len(head) + len(body) == len(raw) else head + body


def _without_endless_lines(raw: bytes) -> bytes:
    """With a break wherever a line goes on for more than a text's length: the parser keeps a line in hand at four times
    its size. Base64 does not mind the break, and of a text so much is never shown.
    """
    pieces, at = [], 0
    while len(raw) - at > _ONE_TEXT_MAX:
        end = raw.rfind(b"\n", at, at + _ONE_TEXT_MAX) + 1
        pieces.append(raw[at : end or at + _ONE_TEXT_MAX])
        if not end:
            pieces.append(b"\n")
        at = end or at + _ONE_TEXT_MAX
    return b"".join([*pieces, raw[at:]]) if b"\n" in pieces else raw


def _first_lines(raw: bytes, count: int) -> bytes:
    at = 0
    for found in islice(_LINE_END.finditer(raw), count):
        at = found.end()
    return raw[:at]


def children(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        yield from (child for child in payload if isinstance(child, Message))


def attached_mail(part: Message) -> Message | None:
    """The mail in a `message/rfc822` part; in base64 too, which is forbidden and common."""
    inner = next(children(part), None)
    if inner is None or inner.keys() or str(part.get("content-transfer-encoding", "")).strip().lower() != "base64":
        return inner
    payload = inner.get_payload()
    try:
        raw = base64.b64decode(payload if isinstance(payload, str) else "", validate=False)
    except (binascii.Error, ValueError):
        return inner
    found = parse(raw)
    return found if found is not None and found.keys() else inner


def is_calendar(part: Message) -> bool:
    return kind_of_file(part.get_content_type()) is FileKind.CALENDAR


def is_attachment(part: Message) -> bool:
    disposition = part.get_content_disposition()
    if disposition is None:
        return part.get_content_maintype() == "text" and bool(file_name(part))
    return disposition == "attachment"


def shorten_headers(part: Message) -> None:
    """The standard library reads parameters in quadratic time."""
    for name, value in part.raw_items():
        if len(str(value)) > HEADER_MAX:
            part.replace_header(name, str(value)[:HEADER_MAX])


def file_name(part: Message) -> str | None:
    """The bare file name, without any path, line breaks or control characters."""
    try:
        name = part.get_filename()
    except (LookupError, ValueError, TypeError, AttributeError):
        return None
    if not name:
        return None
    name = one_line(decode_words(str(name)), 120).replace("\\", "/").rpartition("/")[2]
    return name if name.strip(". ") else None


def text_of(part: Message) -> str:
    raw = part.get_payload()
    if isinstance(raw, str) and len(raw) > _ONE_TEXT_MAX:
        part.set_payload(raw[:_ONE_TEXT_MAX])
    del raw
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    label = part.get_param("charset")
    if isinstance(label, tuple):
        label = label[2]
    text = decode(data[: TEXT_MAX * 4], str(label) if label else None)
    if part.get_content_type() == "text/enriched":
        return re.sub(r"<[^<>]{0,200}>", "", text)
    return _unflowed(part, text) if str(part.get_param("format", "")).lower() == "flowed" else text


def _unflowed(part: Message, text: str) -> str:
    """Lines that a mail program broke softly, joined again: https://www.rfc-editor.org/rfc/rfc3676"""
    deletes = str(part.get_param("delsp", "")).lower() == "yes"
    lines: list[str] = []
    open_ = False
    for line in text[:_FLOWED_TEXT_MAX].split("\n"):
        row = line.rstrip("\r")
        bare = row.removeprefix(" ")
        quoted = bare.startswith(">")
        if open_ and not quoted and bare not in ("-- ", "--"):
            lines[-1] = f"{lines[-1][:-1]}{bare}" if deletes else f"{lines[-1].rstrip(' ')} {bare}"
        else:
            lines.append(row if quoted else bare)
        open_ = row.endswith(" ") and bare != "-- " and not quoted
    return "\n".join(lines) + text[_FLOWED_TEXT_MAX:]
