"""Forwards a mail the way SendGrid does: a multipart form, with Basic credentials and, where the key is here, signed.

SendGrid keeps the private key to itself; only a stack on this machine has one, in `SENDGRID_SENDER_KEY`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.common import basic_auth
from integration_app.providers.sendgrid.signature import SIGNATURE, TIMESTAMP, sign


class SendGridSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._user = env.get("SENDGRID_WEBHOOK_USERS", "").split(",")[0].strip()
        self._key = env.get("SENDGRID_SENDER_KEY", "")

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        headers = [
            f"From: Ana Pérez <{message.sender}>",
            f"To: {message.to}",
            f"Subject: {message.subject or ''}",
            f"Date: {format_datetime(now)}",
            f"Message-ID: {message.event_id or f'<{secrets.token_hex(8)}@example.com>'}",
        ]
        if message.in_reply_to:
            headers.append(f"In-Reply-To: {message.in_reply_to}")
        fields = {
            "headers": "\n".join(headers).encode(),
            "from": f"Ana Pérez <{message.sender}>".encode(),
            "to": message.to.encode(),
            "subject": (message.subject or "").encode(),
            "text": message.text.encode("iso-8859-1", "replace"),
            "envelope": json.dumps({"to": [message.to], "from": message.sender}).encode(),
            "charsets": json.dumps({"to": "UTF-8", "subject": "UTF-8", "from": "UTF-8", "text": "iso-8859-1"}).encode(),
            "SPF": b"pass",
            "dkim": f"{{@{message.sender.rpartition('@')[2]} : pass}}".encode(),
            "attachments": b"0",
        }
        if message.html:
            fields["html"] = message.html.encode("iso-8859-1", "xmlcharrefreplace")
        boundary, stamp = "xYzZY", str(int(now.timestamp()))
        body = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
            for name, value in fields.items()
        )
        body += f"--{boundary}--\r\n".encode()
        sent = {"Content-Type": f"multipart/form-data; boundary={boundary}", "User-Agent": "SendGrid"}
        if self._user:
            sent["Authorization"] = basic_auth.header(self._user)
        if self._key:
            sent |= {SIGNATURE: sign(self._key, stamp, body), TIMESTAMP: stamp}
        return OutgoingRequest(path="/webhooks/sendgrid", headers=sent, body=body)

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "email": SampleMessage(
                sender="ana@example.com",
                to="{inbox}",
                subject="Olá",
                text="O comboio sai às nove. Até já!",
                html="<p>O comboio sai às <b>nove</b>. Até já!</p>",
            )
        }
