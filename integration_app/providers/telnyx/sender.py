"""Texts as Telnyx posts them. It keeps the private key to itself; a stack on this machine has one of its own."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender


class TelnyxSender(Sender):
    NUMBER = "+15550009999"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(env["TELNYX_SENDER_KEY"]))

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        payload = {
            "record_type": "message",
            "direction": "inbound",
            "id": message.event_id or str(uuid.uuid4()),
            "type": "MMS" if message.media else "SMS",
            "from": {"phone_number": message.sender, "carrier": "Example Wireless", "line_type": "Wireless"},
            "to": [{"phone_number": message.to or self.NUMBER, "status": "webhook_delivered"}],
            "text": message.text,
            "media": [{"url": "https://media.telnyx.com/a", "content_type": kind} for kind in message.media],
            "received_at": now.isoformat(),
        }
        event = {"event_type": "message.received", "id": str(uuid.uuid4()), "record_type": "event", "payload": payload}
        body = json.dumps({"data": event, "meta": {"attempt": 1}}).encode()
        stamp = str(int(now.timestamp()))
        return OutgoingRequest(
            path="/webhooks/telnyx",
            headers={
                "Content-Type": "application/json",
                "telnyx-timestamp": stamp,
                "telnyx-signature-ed25519": base64.b64encode(self._key.sign(f"{stamp}|".encode() + body)).decode(),
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "sms": SampleMessage(sender="{phone}", to=self.NUMBER, text="The parcel is at the neighbour's."),
            "mms": SampleMessage(sender="{phone}", to=self.NUMBER, text="The receipt", media=("image/jpeg",)),
        }
