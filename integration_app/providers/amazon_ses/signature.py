"""SNS's signature: RSA over named fields, checked with a certificate from Amazon's own host alone.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
A good signature proves only that some SNS topic sent it: which topics count is the provider's to say.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from integration_app.errors import BadSignature, VendorError

_URL = re.compile(
    r"https://sns\.([a-z]{2}(?:-[a-z]{2,10}){1,3}-\d{1,2})\.amazonaws\.com(?:\.cn)?"
    r"/SimpleNotificationService-[0-9a-zA-Z]{8,64}\.pem"
)
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_HASHES: Mapping[str, type[hashes.SHA1] | type[hashes.SHA256]] = {"1": hashes.SHA1, "2": hashes.SHA256}
_PEM_MAX = 20_000
_CACHED_MAX = 32
_FAILURE_SECONDS = 60.0

Fetch = Callable[[str], bytes]


def fetch(url: str) -> bytes:
    """A certificate from Amazon's host; short time-outs, no redirects. Raises `VendorError`."""
    try:
        with requests.get(url, timeout=(3, 5), allow_redirects=False, stream=True) as answer:
            if answer.status_code != 200:
                raise VendorError(f"Amazon's certificate answers {answer.status_code}")
            return bytes(answer.raw.read(_PEM_MAX, decode_content=True))
    except requests.RequestException as error:
        raise VendorError(f"Amazon's certificate cannot be fetched ({type(error).__name__})") from None


class Certificates:
    """Public keys by URL, each fetched once. `pinned` is used for all of them instead, where an operator sets it."""

    def __init__(self, pinned: str | None = None, fetch: Fetch = fetch) -> None:
        self._pinned = key_of(pinned.encode()) if pinned else None
        self._fetch = fetch
        self._keys: dict[str, RSAPublicKey] = {}
        self._failed: dict[str, float] = {}

    def key(self, url: str, region: str) -> RSAPublicKey:
        """Raises `BadSignature` for a URL that is not Amazon's, or another region's."""
        found = _URL.fullmatch(url)
        if not found or found.group(1) != region:
            raise BadSignature("SigningCertURL is not Amazon's for the region of the topic")
        if self._pinned:
            return self._pinned
        if url not in self._keys:
            if self._failed.get(url, 0.0) > time.monotonic():
                raise VendorError("Amazon's certificate could not be had a moment ago")
            try:
                key = key_of(self._fetch(url))
            except ValueError:
                self._remember_failure(url)
                raise VendorError("Amazon's certificate cannot be read") from None
            except VendorError:
                self._remember_failure(url)
                raise
            if len(self._keys) >= _CACHED_MAX:
                self._keys.clear()
            self._keys[url] = key
        return self._keys[url]

    def _remember_failure(self, url: str) -> None:
        """No caller makes us ask again at once."""
        if len(self._failed) >= _CACHED_MAX:
            self._failed.clear()
        self._failed[url] = time.monotonic() + _FAILURE_SECONDS


def key_of(pem: bytes) -> RSAPublicKey:
    """The public key of a certificate in PEM. Raises ValueError."""
    key = x509.load_pem_x509_certificate(pem).public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA certificate")  # noqa: TRY004 - it is a value of a setting
    return key


def check(event: Mapping[str, Any], key: RSAPublicKey) -> None:
    """Raise `BadSignature` unless `key` signed the event."""
    algorithm = _HASHES.get(str(event.get("SignatureVersion")))
    if algorithm is None:
        raise BadSignature("SignatureVersion is neither 1 nor 2")
    try:
        signature = base64.b64decode(str(event.get("Signature", "")), validate=True)
        key.verify(signature, signed_string(event), PKCS1v15(), algorithm())
    except (binascii.Error, ValueError, InvalidSignature):
        raise BadSignature("the signature does not fit") from None


def sign(private_key: str, event: Mapping[str, Any]) -> str:
    key = load_pem_private_key(private_key.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)  # noqa: S101 - made by us
    algorithm = _HASHES[str(event["SignatureVersion"])]
    return base64.b64encode(key.sign(signed_string(event), PKCS1v15(), algorithm())).decode()


def signed_string(event: Mapping[str, Any]) -> bytes:
    """Name, newline, value, newline of each field that counts for this type; an absent `Subject` is left out."""
    names = _NOTIFICATION if event.get("Type") == "Notification" else _CONFIRMATION
    rows = (f"{name}\n{event[name]}\n" for name in names if name != "Subject" or event.get(name) is not None)
    return "".join(rows).encode("utf-8", "surrogatepass")


def is_whole(event: Mapping[str, Any]) -> bool:
    """Of a known type, with every field that is signed, each a text.

    The signed string has no lengths: with a type of one's own, or a field left out, another topic's signature could be
    cut to fit.
    """
    names = {"Notification": _NOTIFICATION}.get(str(event.get("Type")), _CONFIRMATION)
    known = event.get("Type") in ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")
    there = all(isinstance(event.get(name), str) for name in names if name != "Subject")
    subject = event.get("Subject")
    return known and there and (subject is None or isinstance(subject, str)) and not _broken(event)


def _broken(event: Mapping[str, Any]) -> bool:
    """A line break in a field that never has one."""
    return any("\n" in str(event.get(name, "")) for name in ("MessageId", "Timestamp", "TopicArn", "Type", "Token"))
