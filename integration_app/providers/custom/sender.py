"""Sends to a custom door as its vendor would: a body in which each path of the file leads to something."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.providers.custom.config import DoorConfig, read_doors
from integration_app.providers.custom.proofs import headers_for


class CustomSender(Sender):
    def __init__(self, env: Mapping[str, str]) -> None:
        self._doors = {door.name: door for door in read_doors(env["CUSTOM_DOORS"])}
        self._secrets = {name: env.get(door.proof.secrets, "").split(",")[0] for name, door in self._doors.items()}

    def build_request(self, message: SampleMessage, base_url: str, now: datetime) -> OutgoingRequest:
        door = self._doors[message.channel or next(iter(self._doors))]
        identifier = message.event_id or f"sample-{secrets.token_hex(8)}"
        body = json.dumps(_body(door, message, identifier, now)).encode()
        headers, query = headers_for(door.proof, self._secrets[door.name], body, now, identifier)
        return OutgoingRequest(
            path=f"/webhooks/custom/{door.name}{query}",
            headers={"Content-Type": "application/json"} | headers,
            body=body,
        )

    def samples(self) -> Mapping[str, SampleMessage]:
        return {name: _sample(door) for name, door in self._doors.items()}


def _sample(door: DoorConfig) -> SampleMessage:
    """`channel` names the door: one sender serves them all."""
    sender = {"phone": "{phone}", "mailbox": "ana@example.com"}.get(door.sender_is, f"custom-{door.name}:U123ABC456")
    to = "{inbox}" if door.to else ""
    return SampleMessage(sender=sender, to=to, text=f"Hello from {door.title}.", channel=door.name)


def _body(door: DoorConfig, message: SampleMessage, identifier: str, now: datetime) -> Any:
    item: Any = None
    account = message.sender.partition(":")[2] if door.sender_is == "account" else message.sender
    for path, value in (
        (door.text[0], message.text),
        (door.sender, account.lstrip("+") if door.sender_is == "phone" else account),
        (door.id, identifier),
        (door.time, now.isoformat()),
        (door.to, message.to),
    ):
        item = _put(item, path, value) if path else item
    body = _put(None, door.items, [item]) if door.items else item
    for path, value in (door.only_if or {}).items():
        body = _put(body, path, value)
    return body


def _put(holder: Any, path: str, value: Any) -> Any:
    """`holder` with the value at the path; lists and objects are made on the way."""
    step, _, rest = path.partition(".")
    if step == "*" or step.isdigit():
        rows = list(holder) if isinstance(holder, list) else []
        rows = rows or [None]
        rows[0] = _put(rows[0], rest, value) if rest else value
        return rows
    made = dict(holder) if isinstance(holder, dict) else {}
    made[step] = _put(made.get(step), rest, value) if rest else value
    return made
