"""Mailgun's signature. Pure. It covers a time and a random token, and not the mail: so a token is worth one mail.

https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

OLDEST, NEWEST = timedelta(hours=24), timedelta(minutes=5)
"""Mailgun tries again for eight hours with the same time; a time in the future is refused."""


def sign(key: str, timestamp: str, token: str) -> str:
    """Hex of HMAC-SHA256 over the time followed by the token."""
    return hmac.new(key.encode(), (timestamp + token).encode("utf-8", "replace"), "sha256").hexdigest()


def is_genuine(timestamp: str, token: str, signature: str, keys: Sequence[str], now: datetime) -> bool:
    """Whether one of `keys` signed, within a day."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12) or not 1 <= len(token) <= 256:
        return False
    given = signature.strip().lower().encode("ascii", "replace")
    matches = [hmac.compare_digest(sign(key, timestamp, token).encode(), given) for key in keys]
    age = now.timestamp() - int(timestamp)
    return any(matches) and -NEWEST.total_seconds() <= age <= OLDEST.total_seconds()
