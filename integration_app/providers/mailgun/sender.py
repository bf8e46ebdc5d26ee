"""Forwards a mail the way Mailgun does: a form, signed."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlencode

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.mailgun.signature import sign


class MailgunSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._key = env["MAILGUN_SIGNING_KEYS"].split(",")[0].strip()

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        stamp, token = str(int(now.timestamp())), secrets.token_hex(25)
        headers = [
            ["Message-Id", message.event_id or f"<{secrets.token_hex(8)}@example.com>"],
            ["Date", format_datetime(now)],
            ["Subject", message.subject or ""],
        ]
        if message.in_reply_to:
            headers.append(["In-Reply-To", message.in_reply_to])
        fields = {
            "recipient": message.to,
            "sender": message.sender,
            "from": f"Ana Pérez <{message.sender}>",
            "subject": message.subject or "",
            "body-plain": message.text,
            "body-html": message.html or "",
            "stripped-text": message.text,
            "message-headers": json.dumps(headers),
            "timestamp": stamp,
            "token": token,
            "signature": sign(self._key, stamp, token),
        }
        return OutgoingRequest(
            path="/webhooks/mailgun",
            headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "mailgun/treq"},
            body=urlencode(fields).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "email": SampleMessage(
                sender="ana@example.com",
                to="{inbox}",
                subject="Re: Keys",
                text="Mara has them.\n\nOn Mon, Nov 16, 2026 at 9:14 AM Sam <sam@example.com> wrote:\n> Who has them?",
                in_reply_to="<1@example.com>",
            )
        }
