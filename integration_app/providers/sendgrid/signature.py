"""SendGrid's signature: ECDSA on P-256 over the timestamp followed by the raw body. Pure.

https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"


def read_key(text: str) -> EllipticCurvePublicKey:
    """A verification key as SendGrid shows it: base64 of DER, with or without PEM's armour. Raises ValueError."""
    lines = [line for line in text.replace("\\n", "\n").splitlines() if not line.startswith("-----")]
    try:
        key = load_der_public_key(base64.b64decode("".join(lines), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not a public key in base64") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("is not a key on the curve P-256")  # noqa: TRY004 - it is a value of a setting
    return key


def is_genuine(signature: str, timestamp: str, body: bytes, keys: Sequence[EllipticCurvePublicKey]) -> bool:
    """Whether one of `keys` fits. No window of time: SendGrid tries again for three days."""
    try:
        given = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    matches = [_fits(key, given, timestamp.encode("utf-8", "replace") + body) for key in keys]
    return any(matches)


def sign(private_key: str, timestamp: str, body: bytes) -> str:
    key = load_der_private_key(base64.b64decode(private_key), password=None)
    assert isinstance(key, EllipticCurvePrivateKey)  # noqa: S101 - made by us
    return base64.b64encode(key.sign(timestamp.encode() + body, ECDSA(hashes.SHA256()))).decode()


def _fits(key: EllipticCurvePublicKey, given: bytes, signed: bytes) -> bool:
    try:
        key.verify(given, signed, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True
