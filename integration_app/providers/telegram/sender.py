"""Updates as Telegram posts them."""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.telegram.stand_in import file_id_of


class TelegramSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._secret = env["TELEGRAM_WEBHOOK_SECRETS"].split(",")[0]

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        given = message.event_id or str(secrets.randbelow(2**31))
        number = int(given) if given.isdigit() else zlib.crc32(given.encode())
        author = int(message.sender.partition(":")[2] or 0)
        said: dict[str, Any] = {
            "message_id": number % 1_000_000,
            "from": {"id": author, "is_bot": False, "first_name": "Sam", "language_code": "en"},
            "chat": {"id": author, "first_name": "Sam", "type": "private"},
            "date": int(now.timestamp()),
        }
        if message.media:
            file = {"file_id": file_id_of(message.text), "file_unique_id": "AQAD", "mime_type": message.media[0]}
            said |= {"document": file | {"file_name": "note.txt", "file_size": len(message.text)}, "caption": "A file"}
        else:
            said["text"] = message.text
        return OutgoingRequest(
            path="/webhooks/telegram",
            headers={"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": self._secret},
            body=json.dumps({"update_id": number, "message": said}).encode(),
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "text": SampleMessage(sender="{account}", to="", text="The library closes at six today."),
            "file": SampleMessage(sender="{account}", to="", text="Milk, bread, two lemons", media=("text/plain",)),
        }
