"""Notifies of a mail the way SNS does. Amazon keeps its private key; a stack on this machine has one of its own."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from integration_app.providers.amazon_ses.signature import sign
from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender


class SesSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._topic = env["SES_SNS_TOPIC_ARNS"].split(",")[0].strip()
        self._key = env.get("SES_SNS_SENDER_KEY", "")

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        if not self._key:
            raise ValueError("only Amazon can sign for a topic of Amazon's; this needs a stack on this machine")
        mail = EmailMessage()
        mail["From"], mail["To"] = f"Ana Pérez <{message.sender}>", message.to
        mail["Subject"], mail["Date"] = message.subject or "", format_datetime(now)
        mail["Message-ID"] = f"<{secrets.token_hex(8)}@example.com>"
        mail.set_content(message.text)
        notice = {
            "notificationType": "Received",
            "mail": {
                "timestamp": now.isoformat(),
                "source": message.sender,
                "messageId": message.event_id or secrets.token_hex(20),
                "destination": [message.to],
                "headers": [{"name": name, "value": str(value)} for name, value in mail.items()],
            },
            "receipt": {
                "recipients": [message.to],
                "spfVerdict": {"status": "PASS"},
                "dkimVerdict": {"status": "PASS"},
                "dmarcVerdict": {"status": "PASS"},
                "spamVerdict": {"status": "PASS"},
                "virusVerdict": {"status": "PASS"},
                "action": {"type": "SNS", "topicArn": self._topic, "encoding": "BASE64"},
            },
            "content": base64.b64encode(mail.as_bytes()).decode(),
        }
        region = self._topic.split(":")[3]
        event = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": self._topic,
            "Subject": "Amazon SES Email Receipt Notification",
            "Message": json.dumps(notice),
            "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "SignatureVersion": "2",
            "SigningCertURL": f"https://sns.{region}.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem",
        }
        event["Signature"] = sign(self._key, event)
        return OutgoingRequest(
            path="/webhooks/amazon-ses",
            headers={
                "Content-Type": "text/plain; charset=UTF-8",
                "User-Agent": "Amazon Simple Notification Service Agent",
                "x-amz-sns-message-type": "Notification",
                "x-amz-sns-message-id": event["MessageId"],
                "x-amz-sns-topic-arn": self._topic,
            },
            body=json.dumps(event).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "email": SampleMessage(
                sender="ana@example.com", to="{inbox}", subject="Invoice 2026-114", text="Paid today, receipt below."
            )
        }
