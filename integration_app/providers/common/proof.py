"""Comparing what proves a request: in constant time, against every secret of a rotation. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from integration_app.errors import BadSignature

TOLERANCE = timedelta(minutes=5)
_DIGITS_MAX = 12


def is_one_of(given: str, known: Iterable[str]) -> bool:
    """Whether it is one of the known values; each is compared, so that none answers sooner than another."""
    sent = given.encode("utf-8", "surrogatepass")
    matches = [hmac.compare_digest(sent, value.encode("utf-8", "surrogatepass")) for value in known]
    return any(matches)


def hex_mac(secret: str, signed: bytes, digest: str = "sha256") -> str:
    return hmac.digest(secret.encode(), signed, digest).hex()


def bearer(authorization: str) -> str:
    """The token of `Authorization: Bearer …`; "" where there is none."""
    scheme, _, given = authorization.strip().partition(" ")
    return given.strip() if scheme.lower() == "bearer" else ""


def check_fresh(stamp: str, now: datetime, tolerance: timedelta = TOLERANCE) -> datetime:
    """The signed time, in seconds since 1970. Raises `BadSignature` for none, and for one that is too far away."""
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _DIGITS_MAX):
        raise BadSignature("the signed time is no number of seconds")
    if abs(now.timestamp() - int(stamp)) > tolerance.total_seconds():
        raise BadSignature(f"the signed time is more than {int(tolerance.total_seconds() // 60)} minutes off")
    return datetime.fromtimestamp(int(stamp), UTC)
