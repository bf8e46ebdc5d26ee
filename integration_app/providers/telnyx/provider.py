"""Telnyx messaging: `message.received`, signed with Ed25519 over time and raw body, answered within two seconds.

https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.providers.base import Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.fetch import fetch
from integration_app.providers.common.json_body import at, json_object, moment, objects_at, text_at
from integration_app.providers.common.phones import dialled
from integration_app.providers.common.proof import check_fresh
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.telnyx.sender import TelnyxSender

API_BASE_URL = "https://api.telnyx.com"
HOSTS = ("telnyx.com",)
"""Where its media lie; the API key goes nowhere else."""
_MEDIA_MAX = 10


class Telnyx(Provider):
    name = "telnyx"
    title = "Telnyx: SMS, MMS"
    max_body_bytes = 1_000_000
    statuses = SENT_AGAIN

    def __init__(self, keys: Sequence[Ed25519PublicKey], api_key: str | None, api: str = API_BASE_URL) -> None:
        self._keys = keys
        self._api_key = api_key
        self._api = api

    def verify(self, request: WebhookRequest) -> None:
        given = request.headers.get("telnyx-signature-ed25519", "")
        stamp = request.headers.get("telnyx-timestamp", "")
        if not given or not stamp:
            raise BadSignature("telnyx-signature-ed25519 or telnyx-timestamp is missing")
        check_fresh(stamp, request.received_at)
        signed = stamp.encode() + b"|" + request.body
        if not any(_signed_by(key, given, signed) for key in self._keys):
            raise BadSignature("telnyx-signature-ed25519 fits none of our keys")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """What is told of texts that were sent comes to the same address."""
        event = at(json_object(request), "data")
        is_received = text_at(event, "event_type") == "message.received"
        is_other = bool(text_at(event, "event_type")) and not is_received
        return Reply(200) if is_other or text_at(event, "payload", "direction") == "outbound" else None

    def parse(self, request: WebhookRequest) -> InboundMessage:
        event = at(json_object(request), "data")
        said = at(event, "payload")
        identifier, sender = text_at(said, "id"), text_at(said, "from", "phone_number")
        if text_at(event, "event_type") != "message.received" or not identifier or not sender:
            raise MalformedPayload("event_type, payload.id or payload.from.phone_number is missing")
        to = [text_at(row, "phone_number") for name in ("to", "cc") for row in objects_at(said, name)]
        text = text_at(said, "text")
        subject = text_at(said, "subject")
        lines = [subject, text, *([f"[Group text, also to {', '.join(to[1:20])}]"] if len(to) > 1 else [])]
        return InboundMessage(
            provider=self.name,
            event_id=identifier[:200],
            dedupe_keys=(f"{self.name}:{identifier}",),
            channel="sms",
            route=Route.SENDER,
            sender=dialled(sender, None),
            recipients=tuple(to[:20]),
            received_at=request.received_at,
            sent_at=moment(at(said, "received_at")),
            control=carrier_word(text),
            content=Content(
                text="\n".join(line for line in lines if line),
                attachments=tuple(map(_attachment, objects_at(said, "media")[:_MEDIA_MAX])),
            ),
        )

    def fetch(self, attachment: Attachment) -> bytes:
        assert attachment.url is not None  # noqa: S101 - only those are asked for
        return fetch(attachment.url, base_url=self._api, hosts=HOSTS, bearer=self._api_key)


def _attachment(row: Mapping[str, Any]) -> Attachment:
    size = at(row, "size")
    return Attachment(
        content_type=(text_at(row, "content_type") or text_at(row, "type") or "application/octet-stream")[:100],
        size=size if isinstance(size, int) and size > 0 else None,
        url=text_at(row, "url")[:1000] or None,
    )


def _signed_by(key: Ed25519PublicKey, given: str, signed: bytes) -> bool:
    try:
        key.verify(base64.b64decode(given, validate=True), signed)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def read_key(value: str) -> Ed25519PublicKey:
    """Raises `ValidationError`."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(value.strip(), validate=True))
    except (binascii.Error, ValueError):
        raise ValidationError("each must be a public key of 32 bytes in base64, as the portal shows it") from None


def _from_env(env: Env) -> Provider | None:
    keys = env.list("TELNYX_PUBLIC_KEYS", None, subcast=read_key)
    api = env.str("TELNYX_API_BASE_URL", API_BASE_URL)
    return Telnyx(tuple(keys), env.str("TELNYX_API_KEY", None), api.rstrip("/")) if keys else None


def _local_env() -> dict[str, str]:
    private = Ed25519PrivateKey.generate()
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
    return {
        "TELNYX_PUBLIC_KEYS": public,
        "TELNYX_SENDER_KEY": base64.b64encode(private.private_bytes_raw()).decode(),
    }


SPEC = ProviderSpec(
    name="telnyx",
    provider=Telnyx,
    channels=("sms",),
    settings=("TELNYX_PUBLIC_KEYS", "TELNYX_API_KEY", "TELNYX_API_BASE_URL"),
    from_env=_from_env,
    sender=TelnyxSender,
    local_env=_local_env,
    credentials=lambda env: {"private_key": env["TELNYX_SENDER_KEY"]},
    local_settings=("TELNYX_SENDER_KEY",),
    asked={"TELNYX_PUBLIC_KEYS": "Public key: portal.telnyx.com, Account Settings, Keys & Credentials"},
)
