"""The head of a raw mail, read at the door: only what intake must know. Pure, linear, within limits.

Nothing here decodes a body or builds a tree; that is the worker's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime

from integration_app.text.charsets import decode_words

HEAD_MAX = 64_000
"""Bytes of a mail in which its headers are looked for."""

_VALUE_MAX = 2_000
_KEPT_MAX = 100
_KEPT = frozenset(
    (
        "auto-submitted", "content-type", "date", "in-reply-to", "list-id", "precedence", "references",
        "x-auto-response-suppress", "x-autoreply",
    )
)  # fmt: skip
_LINE = re.compile(r"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL)

Headers = tuple[tuple[str, str], ...]


def head_of(raw: bytes) -> Headers:
    """Names in lower case and unfolded values, in the order in which they stand."""
    text = raw[:HEAD_MAX].decode("utf-8", "replace").replace("\r\n", "\n")
    head = text.lstrip("\n").partition("\n\n")[0]
    found: list[tuple[str, str]] = []
    for line in head.split("\n"):
        if line[:1] in (" ", "\t") and found:
            name, value = found[-1]
            if len(value) < _VALUE_MAX:
                found[-1] = (name, f"{value} {line.strip()}")
        elif match := _LINE.fullmatch(line):
            found.append((match.group(1).lower(), match.group(2).strip()[:_VALUE_MAX]))
    return tuple(found)


def top(headers: Iterable[tuple[str, str]], name: str) -> str:
    """The topmost header of that name: the last server wrote it. "" where there is none."""
    return next((value for found, value in headers if found == name), "")


def own(headers: Iterable[tuple[str, str]]) -> Headers:
    """What the last server wrote: down to the second `Received`, for its own may stand on top."""
    found: list[tuple[str, str]] = []
    received = 0
    for name, value in headers:
        received += name == "received"
        if received > 1:
            break
        found.append((name, value))
    return tuple(found)


def kept(headers: Iterable[tuple[str, str]]) -> Headers:
    """What a parsed mail's headers have to tell a worker."""
    return tuple((name, value[:_VALUE_MAX]) for name, value in headers if name in _KEPT)[:_KEPT_MAX]


def author(headers: Iterable[tuple[str, str]]) -> tuple[str, str, bool]:
    """Name and address (lower case) in `From`, and whether there is more than one author: then none is believed."""
    values = [value for name, value in headers if name == "from"]
    name, address, several = one_author(values[0] if values else "")
    return name, address, several or len(values) > 1


def one_author(value: str) -> tuple[str, str, bool]:
    """The same for the value of one `From`."""
    try:
        pairs = [(name, address) for name, address in getaddresses([value[:_VALUE_MAX]]) if "@" in address]
    except (ValueError, IndexError, RecursionError):
        pairs = []
    if not pairs:
        return "", "", False
    name, address = pairs[0]
    return decode_words(name).strip()[:200], address.strip().lower()[:320], len(pairs) > 1


def domain_of(address: str | None) -> str | None:
    """What SPF is asked about."""
    return (address or "").strip().strip("<>").rpartition("@")[2].lower() or None


def mail_date(value: str | None) -> datetime | None:
    """The `Date` of a mail as the sender wrote it, aware and UTC; None when it is none."""
    try:
        moment = parsedate_to_datetime((value or "")[:100])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
