"""Messages as Meta posts them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.common.proof import hex_mac
from integration_app.providers.whatsapp_cloud.stand_in import media_id_of


class WhatsAppSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._secret = env["WHATSAPP_APP_SECRETS"].split(",")[0]
        self._number = env.get("WHATSAPP_PHONE_NUMBER_IDS", "").split(",")[0] or "106540352242922"

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        number = message.sender.lstrip("+")
        said: dict[str, Any] = {
            "from": number,
            "id": message.event_id or f"wamid.{secrets.token_urlsafe(24)}",
            "timestamp": str(int(now.timestamp())),
        }
        if message.media:
            file = {"id": media_id_of(message.text), "mime_type": message.media[0], "filename": "note.txt"}
            said |= {"type": "document", "document": file | {"caption": "A file"}}
        else:
            said |= {"type": "text", "text": {"body": message.text}}
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "15550009999", "phone_number_id": self._number},
            "contacts": [{"profile": {"name": "Sam"}, "wa_id": number}],
            "messages": [said],
        }
        entry = {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        return OutgoingRequest(
            path="/webhooks/whatsapp-cloud",
            headers={
                "Content-Type": "application/json",
                "X-Hub-Signature-256": f"sha256={hex_mac(self._secret, body)}",
                "User-Agent": "facebookexternalua",
            },
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {
            "text": SampleMessage(sender="{phone}", to="", text="See you at the station ☕"),
            "file": SampleMessage(sender="{phone}", to="", text="Rice, tomatoes, basil", media=("text/plain",)),
        }
