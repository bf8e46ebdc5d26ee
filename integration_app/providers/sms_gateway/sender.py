"""Texts as the app on the phone posts them."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.common.proof import hex_mac


class SmsGatewaySender(Sender):
    NUMBER = "+15550009999"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._key = env["SMS_GATEWAY_SIGNING_KEYS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        said: dict[str, Any] = {
            "messageId": secrets.token_hex(4),
            "sender": message.sender,
            "phoneNumber": message.sender,
            "recipient": message.to or self.NUMBER,
            "simNumber": 1,
            "receivedAt": now.isoformat(timespec="milliseconds"),
        }
        if message.media:
            data = base64.b64encode(message.text.encode()).decode()
            file = {"partId": 1, "contentType": message.media[0], "name": "note.txt", "data": data}
            said |= {"body": "A file", "attachments": [file]}
        else:
            said["message"] = message.text
        event = {
            "deviceId": "ffffffffceb0b1db0000018e937c815b",
            "event": "mms:downloaded" if message.media else "sms:received",
            "id": message.event_id or secrets.token_urlsafe(15),
            "webhookId": "local",
            "payload": said,
        }
        body, stamp = json.dumps(event).encode(), str(int(now.timestamp()))
        return OutgoingRequest(
            path="/webhooks/sms-gateway",
            headers={
                "Content-Type": "application/json",
                "X-Timestamp": stamp,
                "X-Signature": hex_mac(self._key, body + stamp.encode()),
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "sms": SampleMessage(sender="{phone}", to=self.NUMBER, text="Two tickets, row F, on Saturday."),
            "mms": SampleMessage(sender="{phone}", to=self.NUMBER, text="Eggs, flour, a lemon", media=("text/plain",)),
        }
