"""Two ways to prove a raw mail: a bearer token, or the three headers of Standard Webhooks over the raw bytes. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from integration_app.providers.common.proof import bearer, is_one_of

TOLERANCE = timedelta(minutes=5)


def is_genuine(headers: Mapping[str, str], body: bytes, tokens: Sequence[str], now: datetime) -> bool:
    """Whether one of `tokens` is the bearer token, or the key of the HMAC."""
    if "webhook-signature" in headers:
        return _is_signed(headers, body, tokens, now)
    return is_one_of(bearer(headers.get("authorization", "")), tokens)


def sign(token: str, identifier: str, stamp: int, body: bytes) -> str:
    signed = f"{identifier}.{stamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(token.encode(), signed, 'sha256')).decode()}"


def _is_signed(headers: Mapping[str, str], body: bytes, tokens: Sequence[str], now: datetime) -> bool:
    identifier, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not identifier or "." in identifier or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        return False
    given = [entry.encode("ascii", "replace") for entry in headers["webhook-signature"].split(" ")[:20]]
    expected = [sign(token, identifier, int(stamp), body).encode() for token in tokens]
    matches = [hmac.compare_digest(entry, mac) for entry in given for mac in expected]
    return any(matches)
