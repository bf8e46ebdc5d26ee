"""A JSON web token signed with HS256, as vendors put it behind `Bearer`. Pure.

https://www.rfc-editor.org/rfc/rfc7519
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integration_app.errors import BadSignature

_LONGEST = 8_000
_LEEWAY_SECONDS = 60


def claims_of(token: str, secrets: Sequence[str], now: datetime) -> dict[str, Any]:
    """What a token says that one of the secrets signed and that holds now. Raises `BadSignature`."""
    head, dot, signature = token.rpartition(".")
    if not dot or head.count(".") != 1 or len(token) > _LONGEST or not token.isascii():
        raise BadSignature("no JSON web token")
    header, claims = map(_object, head.split("."))
    if header.get("alg") != "HS256":  # any other would let the caller choose the proof
        raise BadSignature("the token is not signed with HS256")
    given = _bytes(signature)
    matches = [hmac.compare_digest(given, hmac.digest(secret.encode(), head.encode(), "sha256")) for secret in secrets]
    if not any(matches):
        raise BadSignature("the token is signed with none of our keys")
    seconds = now.timestamp()
    if not seconds - _LEEWAY_SECONDS < _time(claims, "exp", seconds):
        raise BadSignature("the token has expired")
    if max(_time(claims, "nbf", seconds), _time(claims, "iat", seconds)) > seconds + _LEEWAY_SECONDS:
        raise BadSignature("the token is of the future")
    return claims


def token_of(claims: Mapping[str, Any], secret: str) -> str:
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    head = ".".join(map(_text, parts))
    return f"{head}.{_text(hmac.digest(secret.encode(), head.encode(), 'sha256'))}"


def _time(claims: Mapping[str, Any], name: str, missing: float) -> float:
    value = claims.get(name, missing)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadSignature(f"{name} of the token is no time")
    return value


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        raise BadSignature("no JSON web token") from None
    if not isinstance(found, dict):
        raise BadSignature("no JSON web token")
    return found


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("no JSON web token") from None


def _text(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")
