"""httpSMS: `message.phone.received` as a CloudEvent, with a token that the signing key has signed.

https://docs.httpsms.com/webhooks/introduction
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from environs import Env

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.providers.base import Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.fetch import fetch
from integration_app.providers.common.json_body import at, json_object, moment, text_at
from integration_app.providers.common.jwt import claims_of
from integration_app.providers.common.phones import dialled
from integration_app.providers.common.proof import bearer
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.httpsms.sender import ISSUER, HttpSmsSender

try:  # since cryptography 47 it lives apart from what is recommended
    from cryptography.hazmat.decrepit.ciphers.modes import CFB
except ImportError:
    from cryptography.hazmat.primitives.ciphers.modes import CFB

API_BASE_URL = "https://api.httpsms.com"
RECEIVED = "message.phone.received"
_LOCKED = "[An encrypted text that cannot be opened: HTTPSMS_ENCRYPTION_KEY is not set, or is another one]"
_TYPES = {"jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
          "mp4": "video/mp4", "3gp": "video/3gpp", "mp3": "audio/mpeg", "ogg": "audio/ogg", "amr": "audio/amr",
          "pdf": "application/pdf", "vcf": "text/vcard"}  # fmt: skip
_MEDIA_MAX = 10


class HttpSms(Provider):
    name = "httpsms"
    title = "httpSMS: your own phone"
    max_body_bytes = 1_000_000
    proven_by_headers = True
    statuses = SENT_AGAIN

    def __init__(self, keys: tuple[str, ...], passphrase: str | None, region: str | None) -> None:
        self._keys = keys
        self._passphrase = passphrase
        self._region = region

    def verify(self, request: WebhookRequest) -> None:
        claims = claims_of(bearer(request.headers.get("authorization", "")), self._keys, request.received_at)
        if claims.get("iss") != ISSUER or claims.get("aud") not in (request.url, [request.url]):
            raise BadSignature("the token is for another address: the webhook has to name exactly this one")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        kind = text_at(json_object(request), "type")
        return Reply(200) if kind and kind != RECEIVED else None

    def parse(self, request: WebhookRequest) -> InboundMessage:
        event = json_object(request)
        said = at(event, "data")
        identifier, contact = text_at(said, "message_id"), text_at(said, "contact")
        if text_at(event, "type") != RECEIVED or not identifier or not contact:
            raise MalformedPayload("type, data.message_id or data.contact is missing")
        text = text_at(said, "content")
        if at(said, "encrypted") is True:
            text = self._opened(text)
        media = at(said, "attachments")
        return InboundMessage(
            provider=self.name,
            event_id=identifier[:200],
            dedupe_keys=(f"{self.name}:{identifier}",),
            channel="sms",
            route=Route.SENDER,
            sender=dialled(contact, self._region),
            recipients=(text_at(said, "owner")[:100],),
            received_at=request.received_at,
            sent_at=moment(at(said, "timestamp")),
            control=carrier_word(text),
            content=Content(
                text=text,
                attachments=tuple(map(_attachment, media[:_MEDIA_MAX])) if isinstance(media, list) else (),
            ),
        )

    def fetch(self, attachment: Attachment) -> bytes:
        assert attachment.url is not None  # noqa: S101 - only those are asked for
        return fetch(attachment.url, base_url=API_BASE_URL)

    def _opened(self, sealed: str) -> str:
        """AES-256-CFB with the digest of a passphrase: https://docs.httpsms.com/features/end-to-end-encryption"""
        if self._passphrase is None:
            return _LOCKED
        try:
            raw = base64.b64decode(sealed, validate=True)
            key = algorithms.AES256(hashlib.sha256(self._passphrase.encode()).digest())
            return Cipher(key, CFB(raw[:16])).decryptor().update(raw[16:]).decode()
        except (binascii.Error, ValueError):  # a wrong key shows by what cannot be text
            return _LOCKED


def _attachment(url: Any) -> Attachment:
    address = url[:1000] if isinstance(url, str) else ""
    name = address.partition("?")[0].rpartition("/")[2][-120:]
    ending = name.rpartition(".")[2].lower()
    return Attachment(_TYPES.get(ending, "application/octet-stream"), name or None, url=address or None)


def _from_env(env: Env) -> Provider | None:
    keys = env.list("HTTPSMS_SIGNING_KEYS", None, subcast=str.strip, validate=tokens_setting.checked)
    region = env.str("HTTPSMS_REGION", None)
    return HttpSms(tuple(keys), env.str("HTTPSMS_ENCRYPTION_KEY", None) or None, region) if keys else None


def _made() -> dict[str, str]:
    return {"HTTPSMS_SIGNING_KEYS": secrets.token_hex(24)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"signing_key": env["HTTPSMS_SIGNING_KEYS"].split(",")[0]}


SPEC = ProviderSpec(
    name="httpsms",
    provider=HttpSms,
    channels=("sms",),
    settings=("HTTPSMS_SIGNING_KEYS", "HTTPSMS_ENCRYPTION_KEY", "HTTPSMS_REGION"),
    from_env=_from_env,
    sender=HttpSmsSender,
    local_env=_made,
    credentials=_credentials,
    made=_made,
)
