"""The Standard Webhooks signature. Pure: headers, body, secrets, time.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from integration_app.errors import BadSignature

TOLERANCE = timedelta(minutes=5)
ID_MAX = 256
SIGNATURES_MAX = 20

SECRET, PUBLIC, PRIVATE = "whsec_", "whpk_", "whsk_"


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets (`whsec_…`, HMAC-SHA256) and public keys (`whpk_…`, Ed25519); any one of them may have signed."""

    secrets: tuple[bytes, ...]
    public: tuple[bytes, ...]


def read_keys(values: Sequence[str]) -> Keys:
    """Raises ValueError, naming what is wrong and never the key."""
    secrets = [_decoded(value.removeprefix(SECRET)) for value in values if not value.startswith((PUBLIC, PRIVATE))]
    public = [_decoded(value.removeprefix(PUBLIC)) for value in values if value.startswith(PUBLIC)]
    if any(value.startswith(PRIVATE) for value in values):
        raise ValueError("a private key (whsk_) belongs to the sender; give its whpk_ here")
    if any(len(secret) < 16 for secret in secrets):
        raise ValueError("a secret must have at least 16 bytes")
    if any(len(key) != 32 for key in public):
        raise ValueError("a public key (whpk_) has 32 bytes")
    return Keys(tuple(secrets), tuple(public))


def event_id(headers: Mapping[str, str]) -> str:
    """`webhook-id`, or `svix-id`."""
    return _header(headers, "id")


def verify(headers: Mapping[str, str], body: bytes, keys: Keys, now: datetime) -> None:
    """Raise `BadSignature` unless one of the keys signed this id, this time and these bytes within five minutes."""
    identifier, stamp, signatures = (_header(headers, name) for name in ("id", "timestamp", "signature"))
    if not identifier or not stamp or not signatures:
        raise BadSignature("webhook-id, webhook-timestamp or webhook-signature is missing")
    if "." in identifier or len(identifier) > ID_MAX:
        raise BadSignature("webhook-id has a full stop or is too long")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("webhook-timestamp is no number of seconds")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        raise BadSignature("webhook-timestamp is more than five minutes off")
    signed = identifier.encode("utf-8", "replace") + b"." + stamp.encode() + b"." + body
    given = [entry.partition(",") for entry in signatures.split(" ")[:SIGNATURES_MAX]]
    matches = [_matches(scheme, value, signed, keys) for scheme, comma, value in given if comma]
    if not any(matches):
        raise BadSignature("no signature fits any of our keys")


def sign(secret: str, identifier: str, stamp: int, body: bytes) -> str:
    """One `webhook-signature` entry, `v1` or `v1a` by the kind of key."""
    signed = f"{identifier}.{stamp}.".encode() + body
    if secret.startswith(PRIVATE):
        key = Ed25519PrivateKey.from_private_bytes(_decoded(secret.removeprefix(PRIVATE))[:32])
        return f"v1a,{base64.b64encode(key.sign(signed)).decode()}"
    mac = hmac.new(_decoded(secret.removeprefix(SECRET)), signed, hashlib.sha256)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


def _matches(scheme: str, value: str, signed: bytes, keys: Keys) -> bool:
    given = value.encode("ascii", "replace")
    if scheme == "v1":
        expected = [base64.b64encode(hmac.digest(secret, signed, "sha256")) for secret in keys.secrets]
        matches = [hmac.compare_digest(given, mac) for mac in expected]  # every secret is compared
        return any(matches)
    if scheme == "v1a":
        return any(_signed_by(key, given, signed) for key in keys.public)
    return False


def _signed_by(key: bytes, given: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(given, validate=True), signed)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or ""


def _decoded(value: str) -> bytes:
    """Base64, with or without padding."""
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key must be base64 behind whsec_ or whpk_") from None
