"""Sends a mail the way Postmark does: JSON, Basic credentials."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender

_HISTORY = "\n\nOn Mon, Nov 16, 2026 at 9:14 AM Sam Rivera <sam@example.com> wrote:\n\n> Shall we meet?\n> Sam\n"


class PostmarkSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._credentials = env["POSTMARK_WEBHOOK_USERS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        reply = message.in_reply_to
        mail = {
            "MessageID": message.event_id or str(uuid.uuid4()),
            "MessageStream": "inbound",
            "FromName": "Ana Pérez",
            "From": message.sender,
            "FromFull": {"Email": message.sender, "Name": "Ana Pérez", "MailboxHash": ""},
            "To": message.to,
            "ToFull": [{"Email": message.to, "Name": "", "MailboxHash": ""}],
            "Cc": "",
            "CcFull": [],
            "BccFull": [],
            "OriginalRecipient": message.to,
            "MailboxHash": "",
            "Subject": message.subject or "",
            "Date": format_datetime(now),
            "TextBody": message.text,
            "HtmlBody": message.html or "",
            "StrippedTextReply": "",
            "Tag": "",
            "Headers": [{"Name": "MIME-Version", "Value": "1.0"}]
            + ([{"Name": "In-Reply-To", "Value": reply}] if reply else []),
            "Attachments": [
                {"Name": name, "Content": "", "ContentType": "application/pdf", "ContentLength": 12000}
                for name in message.media
            ],
        }
        basic = base64.b64encode(self._credentials.encode()).decode()
        return OutgoingRequest(
            path="/webhooks/postmark",
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "Authorization": f"Basic {basic}",
                "User-Agent": "Postmark",
            },
            body=json.dumps(mail).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "email": SampleMessage(
                sender="ana@example.com",
                to="{inbox}",
                subject="Re: Café menü ☕",
                text="Friday at seven works for me." + _HISTORY,
                html="<p>Friday at <b>seven</b> works for me.</p>"
                '<div class="gmail_quote">On Mon, Nov 16, 2026 at 9:14 AM Sam wrote:'
                "<blockquote>Shall we meet?</blockquote></div>",
                in_reply_to="<1@example.com>",
            ),
            "forward": SampleMessage(
                sender="ana@example.com",
                to="{inbox}",
                subject="Fwd: Your booking",
                text="---------- Forwarded message ---------\nFrom: Hotel <stay@example.com>\n"
                "Date: Mon, Nov 16, 2026 at 9:14 AM\nSubject: Your booking\n\nRoom 12, two nights.",
                media=("booking.pdf",),
            ),
        }
