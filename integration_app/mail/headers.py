"""Headers of a raw mail: decoded one by one, each within a limit, and what they say of it. The parser's own header
objects recurse and turn quadratic on hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime

from integration_app.text.charsets import decode, decode_words
from integration_app.text.clean import one_line

HEADER_MAX = 4_000

_ROBOTS = ("mailer-daemon", "postmaster", "mail-daemon")
_ADDRESS = re.compile(r"[^\s<>@\"'(),;:\[\]]{1,64}@[^\s<>@\"'(),;:\[\]]{1,190}")


def header(message: Message, name: str) -> str:
    """The first header of that name: decoded, unfolded, cut to a sane length."""
    for found, value in message.raw_items():
        if found.lower() == name:
            raw = str(value)[:HEADER_MAX].encode("utf-8", "surrogateescape")
            return one_line(decode_words(decode(raw)), HEADER_MAX)
    return ""


def author_of(value: str) -> tuple[str | None, str | None]:
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


def zone_of(date: str) -> timezone:
    """The offset of a sender's clock, from the `Date` header; UTC where it says none."""
    try:
        return timezone(parsedate_to_datetime(date[:100]).utcoffset() or timedelta(0))
    except (TypeError, ValueError, OverflowError, IndexError):
        return UTC


def automatic_cause(
    header: Callable[[str], str], *, sender: str, envelope_from: str | None, invites: bool = False
) -> str | None:
    """Why a mail is automatic (a bounce, an auto-reply, a list), in words; None when a person wrote it.

    `header` gives the topmost header of a name, "" where there is none. `List-Unsubscribe` alone does not count:
    tickets, orders and boarding passes carry it too. An invitation (`invites`) is sent by a calendar, and wanted.
    https://www.rfc-editor.org/rfc/rfc3834#section-2
    """
    kind = header("content-type").partition(";")[0].strip().lower()
    if kind == "multipart/report" or envelope_from in ("", "<>"):
        return "a bounce or a delivery report"
    if any(address.partition("@")[0].lower() in _ROBOTS for address in (sender, envelope_from or "")):
        return "a message of a mail server"
    submitted = header("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in ("", "no") and not (invites and submitted == "auto-generated"):
        return "an automatic reply or notice (Auto-Submitted)"
    if header("x-auto-response-suppress").strip().lower() == "all" and header("x-autoreply"):
        return "an automatic reply (X-Autoreply)"
    if header("precedence").strip().lower() in ("bulk", "list", "junk", "auto_reply"):
        return "sent in bulk (Precedence)"
    if header("list-id").strip():
        return "a mailing list's (List-Id)"
    return None
