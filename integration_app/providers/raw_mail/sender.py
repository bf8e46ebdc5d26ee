"""Posts a raw mail, signed, as a mail worker does."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.raw_mail.signature import sign


class RawMailSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._token = env["RAW_MAIL_TOKENS"].split(",")[0].strip()

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        mail = EmailMessage()
        mail["From"], mail["To"] = message.sender, message.to
        mail["Subject"] = message.subject or ""
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = message.event_id or make_msgid(domain="example.com")
        mail.set_content(message.text)
        body, identifier, stamp = mail.as_bytes(), secrets.token_hex(12), int(now.timestamp())
        return OutgoingRequest(
            path="/webhooks/raw-mail",
            headers={
                "Content-Type": "message/rfc822",
                "X-Envelope-From": message.sender,
                "X-Envelope-To": message.to,
                "webhook-id": identifier,
                "webhook-timestamp": str(stamp),
                "webhook-signature": sign(self._token, identifier, stamp, body),
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "email": SampleMessage(
                sender="ana@example.com", to="{inbox}", subject="Boarding pass", text="Gate 12, seat 4C. Olá!"
            )
        }
