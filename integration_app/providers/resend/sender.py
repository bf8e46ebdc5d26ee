"""Tells of a mail as Resend does; the mail itself is in its id, for the stand-in of the API to hand over."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.resend.stand_in import email_id_of
from integration_app.standard_webhooks import sign


class ResendSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._secret = env["RESEND_WEBHOOK_SECRETS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = message.sender, message.to, message.subject or ""
        mail["Date"], mail["Message-ID"] = format_datetime(now), f"<{secrets.token_hex(8)}@example.com>"
        if message.in_reply_to:
            mail["In-Reply-To"] = message.in_reply_to
        mail.set_content(message.text)
        if message.html:
            mail.add_alternative(message.html, subtype="html")
        said = {
            "email_id": email_id_of(bytes(mail)),
            "created_at": now.isoformat(),
            "from": message.sender,
            "to": [message.to],
            "cc": [],
            "bcc": [],
            "message_id": mail["Message-ID"],
            "subject": message.subject or "",
            "attachments": [],
        }
        body = json.dumps({"type": "email.received", "created_at": now.isoformat(), "data": said}).encode()
        identifier, stamp = message.event_id or f"msg_{secrets.token_hex(12)}", int(now.timestamp())
        return OutgoingRequest(
            path="/webhooks/resend",
            headers={
                "Content-Type": "application/json",
                "svix-id": identifier,
                "svix-timestamp": str(stamp),
                "svix-signature": sign(self._secret, identifier, stamp, body),
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "mail": SampleMessage(
                sender="ana@example.com",
                to="{inbox}",
                subject="The garden",
                text="The tomatoes can go out next week.",
            )
        }
