"""SMS Gateway for Android (sms-gate.app): texts and picture messages, signed by the phone itself.

https://docs.sms-gate.app/features/webhooks/
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from environs import Env

from integration_app.errors import BadSignature, DoorError, MalformedPayload
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.providers.base import Provider, ProviderSpec, Reply, WebhookRequest
from integration_app.providers.common import tokens as tokens_setting
from integration_app.providers.common.attachments import Attachments
from integration_app.providers.common.batches import or_refusal
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.json_body import at, json_object, moment, objects_at, text_at
from integration_app.providers.common.phones import dialled
from integration_app.providers.common.proof import check_fresh, hex_mac, is_one_of
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.sms_gateway.sender import SmsGatewaySender

_SINGLE = ("sms:received", "sms:data-received", "mms:downloaded")
_BATCHES = ("sms:batch:received", "sms:batch:data-received", "mms:batch:downloaded")


class SmsGateway(Provider):
    name = "sms-gateway"
    title = "SMS Gateway for Android: your own phone"
    max_body_bytes = 30_000_000  # pictures come along
    statuses = SENT_AGAIN

    def __init__(self, keys: tuple[str, ...], region: str | None) -> None:
        self._keys = keys
        self._region = region

    def verify(self, request: WebhookRequest) -> None:
        given, stamp = request.headers.get("x-signature", ""), request.headers.get("x-timestamp", "")
        if not given or not stamp:
            raise BadSignature("X-Signature or X-Timestamp is missing")
        check_fresh(stamp, request.received_at)
        if not is_one_of(given.lower(), [hex_mac(key, request.body + stamp.encode()) for key in self._keys]):
            raise BadSignature("X-Signature fits none of our keys")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """Sent texts, signs of life, and the notice of a picture message, which comes again with its content."""
        kind = text_at(json_object(request), "event")
        return Reply(200) if kind and kind not in _SINGLE + _BATCHES else None

    def messages(self, request: WebhookRequest) -> Sequence[InboundMessage | DoorError]:
        event = json_object(request)
        if text_at(event, "event") in _BATCHES:
            rows = objects_at(event, "payload", "messages")
            return tuple(or_refusal(partial(self._message, event, row, request)) for row in rows)
        return (self.parse(request),)

    def parse(self, request: WebhookRequest) -> InboundMessage:
        event = json_object(request)
        return self._message(event, at(event, "payload"), request)

    def _message(self, event: Mapping[str, Any], said: Any, request: WebhookRequest) -> InboundMessage:
        sender = text_at(said, "sender") or text_at(said, "phoneNumber")  # as it was called before 1.54
        received = text_at(said, "receivedAt")
        if not sender or not received or not text_at(event, "event"):
            raise MalformedPayload("event, payload.sender or payload.receivedAt is missing")
        lines = (text_at(said, "subject"), text_at(said, "message") or text_at(said, "body"))
        text = "\n".join(line for line in lines if line)
        sender = dialled(sender, self._region)
        # its own id of a text is made of the content; an event's id is another for each of several webhooks
        key = "|".join((text_at(event, "deviceId"), sender, received, text_at(said, "messageId"), text))
        return InboundMessage(
            provider=self.name,
            event_id=(text_at(event, "id") or text_at(said, "messageId"))[:200],
            dedupe_keys=(f"{self.name}:{key}",),
            channel="sms",
            route=Route.SENDER,
            sender=sender,
            recipients=(text_at(said, "recipient")[:100],),
            received_at=request.received_at,
            sent_at=moment(received),
            control=carrier_word(text),
            content=Content(text=text, attachments=_files(said)),
        )


def _files(said: Any) -> tuple[Attachment, ...]:
    found = Attachments()
    for row in objects_at(said, "attachments"):
        size = at(row, "size")
        found.add(
            text_at(row, "contentType"),
            text_at(row, "name") or None,
            _decoded(text_at(row, "data")),
            size if isinstance(size, int) and size > 0 else None,
        )
    if data := _decoded(text_at(said, "data")):
        found.add("application/octet-stream", None, data)
    return found.all()


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _from_env(env: Env) -> Provider | None:
    keys = env.list("SMS_GATEWAY_SIGNING_KEYS", None, subcast=str.strip, validate=tokens_setting.checked)
    return SmsGateway(tuple(keys), env.str("SMS_GATEWAY_REGION", None)) if keys else None


def _made() -> dict[str, str]:
    return {"SMS_GATEWAY_SIGNING_KEYS": secrets.token_hex(24)}


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"signing_key": env["SMS_GATEWAY_SIGNING_KEYS"].split(",")[0]}


SPEC = ProviderSpec(
    name="sms-gateway",
    provider=SmsGateway,
    channels=("sms",),
    settings=("SMS_GATEWAY_SIGNING_KEYS", "SMS_GATEWAY_REGION"),
    from_env=_from_env,
    sender=SmsGatewaySender,
    local_env=_made,
    credentials=_credentials,
    made=_made,
)
