"""Sends a text the way Twilio does: form-encoded, signed over the public URL."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.twilio.signature import sign

_PATH = "/webhooks/twilio"


class TwilioSender(Sender):
    NUMBER = "+15550009999"

    def __init__(self, env: Mapping[str, str]) -> None:
        self._account_sid = env["TWILIO_ACCOUNT_SID"]
        self._token = env["TWILIO_AUTH_TOKENS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        if message.channel == "chat":
            return self._signed(self._added(message, now), base_url)
        sid = message.event_id or f"{'MM' if message.media else 'SM'}{secrets.token_hex(16)}"
        prefix = "whatsapp:" if message.channel == "whatsapp" else ""
        fields = {
            "MessageSid": sid,
            "SmsSid": sid,
            "SmsMessageSid": sid,
            "AccountSid": self._account_sid,
            "From": prefix + message.sender,
            "To": prefix + (message.to or self.NUMBER),
            "Body": message.text,
            "NumMedia": str(len(message.media)),
            "NumSegments": "1",
            "SmsStatus": "received",
            "ApiVersion": "2010-04-01",
        }
        for number, kind in enumerate(message.media):
            fields[f"MediaContentType{number}"] = kind
            fields[f"MediaUrl{number}"] = f"https://api.twilio.com/2010-04-01/Media/ME{secrets.token_hex(16)}"
        if message.channel == "whatsapp":
            fields |= {"ProfileName": "Sam", "WaId": message.sender.lstrip("+")}
        return self._signed(fields, base_url)

    def _added(self, message: SampleMessage, now: datetime) -> dict[str, str]:
        """As Conversations tells of a message: https://www.twilio.com/docs/conversations-classic/conversations-webhooks"""
        return {
            "EventType": "onMessageAdded",
            "AccountSid": self._account_sid,
            "ConversationSid": f"CH{secrets.token_hex(16)}",
            "ChatServiceSid": f"IS{secrets.token_hex(16)}",
            "MessageSid": message.event_id or f"IM{secrets.token_hex(16)}",
            "ParticipantSid": f"MB{secrets.token_hex(16)}",
            "Index": "0",
            "DateCreated": now.isoformat(),
            "Body": message.text,
            "Author": message.sender,
            "Attributes": "{}",
            "Source": "SMS",
            "RetryCount": "0",
        }

    def _signed(self, fields: Mapping[str, str], base_url: str) -> OutgoingRequest:
        return OutgoingRequest(
            path=_PATH,
            headers={
                "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
                "X-Twilio-Signature": sign(self._token, base_url + _PATH, fields.items()),
                "I-Twilio-Idempotency-Token": secrets.token_hex(16),
                "User-Agent": "TwilioProxy/1.1",
            },
            body=urlencode(fields).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        def text(words: str, **more: object) -> SampleMessage:
            return SampleMessage(sender="{phone}", to=self.NUMBER, text=words, **more)  # type: ignore[arg-type]

        return {
            "sms": text("Pick up the tickets at six, gate B."),
            "remember": text("remember: the spare key is with Mara #home #keys"),
            "mms": text("The whiteboard from today", media=("image/jpeg",)),
            "whatsapp": text("See you at the station ☕", channel="whatsapp"),
            "conversation": text("Added to a conversation", channel="chat"),
        }
