"""Postmark signs nothing: HTTP Basic credentials in the webhook's URL are the proof. Pure.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence


def is_genuine(header: str | None, credentials: Sequence[str]) -> bool:
    """Whether an `Authorization` header carries one of `credentials` (each `user:password`)."""
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    matches = [hmac.compare_digest(given, pair.encode()) for pair in credentials]
    return scheme.lower() == "basic" and any(matches)
