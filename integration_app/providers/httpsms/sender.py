"""Texts as httpSMS posts them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.common.jwt import token_of

ISSUER = "api.httpsms.com"
_MINUTES = 600


class HttpSmsSender(Sender):
    NUMBER = "+15550009999"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._key = env["HTTPSMS_SIGNING_KEYS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        path, seconds = "/webhooks/httpsms", int(now.timestamp())
        claims = {
            "iss": ISSUER, "aud": base_url + path, "sub": "local-user",
            "iat": seconds, "nbf": seconds - _MINUTES, "exp": seconds + _MINUTES,
        }  # fmt: skip
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/v1/messages/receive",
            "type": "message.phone.received",
            "time": now.isoformat(),
            "data": {
                "message_id": message.event_id or str(uuid.uuid4()),
                "user_id": "local-user",
                "contact": message.sender,
                "owner": message.to or self.NUMBER,
                "content": message.text,
                "sim": "SIM1",
                "timestamp": now.isoformat(),
            },
        }
        return OutgoingRequest(
            path=path,
            headers={
                "Content-Type": "application/json",
                "X-Event-Type": "message.phone.received",
                "Authorization": f"Bearer {token_of(claims, self._key)}",
            },
            body=json.dumps(event).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {"sms": SampleMessage(sender="{phone}", to=self.NUMBER, text="The keys are under the blue pot.")}
