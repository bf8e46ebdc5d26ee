"""Requests that Omi signs: webhooks (v1) and chat tools (v2). Pure but for the memory of deliveries that were seen.

X-Omi-Signature: t=<unix>,v1=<hex>[,v1=<hex of the secret before>]; five minutes either way; compared in constant time.
v1 signs "<t>.<uid>." and the raw body; v2 signs eight parts: v2, t, delivery, event, METHOD, path, query, body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode

TOLERANCE_SECONDS = 300


def is_webhook_genuine(header: str, uid: str, body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    return _fits(header, "v1", lambda stamp: f"{stamp}.{uid}.".encode() + body, secrets, now)


def is_tool_genuine(
    header: str,
    *,
    delivery: str,
    event: str,
    method: str,
    path: str,
    query: str,
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
) -> bool:
    """`path` and `query` as they were sent, still percent-encoded."""

    def signed(stamp: str) -> bytes:
        lines = ("v2", stamp, delivery, event, method.upper(), canonical_path(path), canonical_query(query))
        return "".join(f"{line}\n" for line in lines).encode() + body

    return _fits(header, "v2", signed, secrets, now)


def canonical_path(path: str) -> str:
    """Each segment decoded and encoded again, so that one path has one spelling (RFC 3986, unreserved signs bare)."""
    return "/".join(quote(unquote(segment), safe="") for segment in (path or "/").split("/"))


def canonical_query(query: str) -> str:
    """Pairs in the order of their names; those of one name stay as they were sent. A blank is %20, never a plus."""
    pairs = sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: pair[0])
    return urlencode(pairs, quote_via=quote, safe="")


def _fits(header: str, version: str, signed: Callable[[str], bytes], secrets: Sequence[str], now: datetime) -> bool:
    pairs = [part.strip().partition("=")[::2] for part in header[:2000].split(",")[:20]]
    stamp = next((value for name, value in pairs if name == "t"), "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    message = signed(stamp)
    given = [value.encode("ascii", "replace") for name, value in pairs if name == version]
    expected = [hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    matches = [hmac.compare_digest(value, mac) for value in given for mac in expected]
    return any(matches)
