"""Sends an event as any sender of Standard Webhooks does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.standard_webhooks import sign


class StandardSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._secret = env["STANDARD_WEBHOOKS_SECRETS"].split(",")[0].strip()

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        identifier = message.event_id or f"msg_{secrets.token_hex(12)}"
        stamp = int(now.timestamp())
        event = {
            "type": "memories.create" if message.channel == "memories" else "conversation.create",
            "data": {"address": message.to, "text": message.text},
        }
        body = json.dumps(event).encode()
        return OutgoingRequest(
            path="/webhooks/standard-webhooks",
            headers={
                "Content-Type": "application/json",
                "webhook-id": identifier,
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign(self._secret, identifier, stamp, body),
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "journal": SampleMessage(sender="journal", to="{inbox}", text="Slept well. Ran five kilometres."),
            "fact": SampleMessage(sender="notes", to="{inbox}", text="Allergic to peanuts", channel="memories"),
        }
