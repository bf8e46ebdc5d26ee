"""Basic credentials in the URL of a webhook: the only proof that some vendors offer. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from environs import ValidationError

from integration_app.providers.common.tokens import TOKEN_MIN

_PASSWORD_MIN = 12


def is_known(authorization: str | None, users: Sequence[str]) -> bool:
    """Whether the `Authorization` header carries one of the pairs `user:password`; every pair is compared."""
    scheme, _, given = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        pair = base64.b64decode(given.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    matches = [hmac.compare_digest(pair, user.encode()) for user in users]
    return any(matches)


def header(user: str) -> str:
    return f"Basic {base64.b64encode(user.encode()).decode()}"


def checked(users: list[str]) -> None:
    """For settings that hold several `user:password`."""
    for user in users:
        name, colon, password = user.partition(":")
        if not (name.strip() and colon and len(password) >= _PASSWORD_MIN and len(user) >= TOKEN_MIN):
            raise ValidationError(
                f"must be user:password, several separated by commas, of {TOKEN_MIN} characters, "
                f"passwords of {_PASSWORD_MIN} or more: openssl rand -hex 24"
            )
