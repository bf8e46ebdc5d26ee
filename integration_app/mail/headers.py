"""Headers of a raw mail: decoded one by one, each within a limit. The parser's own header objects recurse and turn
quadratic on hostile input.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.message import Message
from email.utils import parseaddr, parsedate_to_datetime

from integration_app.text.charsets import decode, decode_words
from integration_app.text.clean import one_line

HEADER_MAX = 4_000

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
