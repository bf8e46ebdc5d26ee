"""Texts as the vendor would."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender


class HelloSmsSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._token = env["HELLO_SMS_TOKENS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        event_id = message.event_id or secrets.token_hex(8)
        return OutgoingRequest(
            path="/webhooks/hello-sms",
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            body=json.dumps({"id": event_id, "from": message.sender, "text": message.text}).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {"sms": SampleMessage(sender="{phone}", to="", text="Hello from the smallest SMS provider.")}
