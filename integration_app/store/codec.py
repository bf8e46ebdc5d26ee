"""Frozen values to JSON and back, sealed where people's words or addresses are in them.

ASCII-only JSON, so that even a lone surrogate survives the trip to Redis.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from integration_app.model import (
    Attachment,
    Content,
    Delivery,
    DeliveryState,
    Evidence,
    Hints,
    InboundMessage,
    Kind,
    Lane,
    Made,
    Preferences,
    PreparedText,
    Route,
    Tell,
    Then,
    Through,
    UserRule,
)
from integration_app.store import vault

VERSION = 1
"""Of every value below, written with it. Readers tolerate what they do not know, so it only counts up where an old
reader would take something for what it is not.
"""


def dumps(value: Any) -> str:
    return _ENCODER.encode(value)


def loads(raw: str) -> Any:
    return json.loads(raw)


def ms(moment: datetime) -> int:
    """Milliseconds since the epoch: how times are kept where Redis compares them."""
    return int(moment.timestamp() * 1000)


def from_ms(value: str | float) -> datetime:
    return datetime.fromtimestamp(float(value) / 1000, UTC)


def moment(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def dump_envelope(message: InboundMessage, control: str | None = None) -> str:
    """Everything but what was said. `control` replaces its own."""
    values = _fields(message)
    del values["content"]
    if control:
        values["control"] = control
    return vault.current().seal("envelope", _versioned(values))


def dump_content(content: Content) -> str:
    """Without what is not set: workers of 0.2 refuse a field that they do not know."""
    rows = [_given(row) for row in content.attachments]
    return vault.current().seal("content", dumps(_given(content) | ({"attachments": rows} if rows else {})))


def _given(value: Any) -> dict[str, Any]:
    return {name: given for name, given in _fields(value).items() if given not in (None, ())}


def load_message(envelope: str, content: str | None) -> InboundMessage:
    values = json.loads(vault.current().open("envelope", envelope))
    values |= {
        "dedupe_keys": tuple(values["dedupe_keys"]),
        "recipients": tuple(values["recipients"]),
        "route": Route(values["route"]),
        "received_at": datetime.fromisoformat(values["received_at"]),
        "sent_at": moment(values["sent_at"]),
        "hints": _load_hints(values.get("hints")),
        "evidence": _load_evidence(values.get("evidence")),
    }
    return InboundMessage(**_known(InboundMessage, values), content=load_content(content))


def _load_hints(values: dict[str, Any] | None) -> Hints | None:
    if values is None:
        return None
    values |= {
        "kind": Kind(values["kind"]),
        "tags": tuple(values["tags"]),
        "started_at": moment(values["started_at"]),
        "finished_at": moment(values["finished_at"]),
    }
    return Hints(**values)


def _load_evidence(values: dict[str, Any] | None) -> Evidence:
    return Evidence(**values | {"dkim": tuple(values["dkim"])}) if values else Evidence()


def load_content(raw: str | None) -> Content:
    values = json.loads(vault.current().open("content", raw)) if raw else {}
    values["attachments"] = tuple(map(_load_attachment, values.get("attachments", ())))
    values["headers"] = tuple((name, value) for name, value in values.get("headers", ()))
    values["place"] = _pair(values.get("place"))
    return Content(**_known(Content, values))


def _load_attachment(row: dict[str, Any]) -> Attachment:
    data = row.get("data")
    return Attachment(**_known(Attachment, row | {"data": base64.b64decode(data) if data else None}))


def _pair(values: list[float] | None) -> tuple[float, float] | None:
    return (values[0], values[1]) if values else None


def dump_prepared(prepared: PreparedText) -> str:
    return vault.current().seal("prepared", _versioned(_fields(prepared)))


def load_prepared(raw: str) -> PreparedText:
    values = json.loads(vault.current().open("prepared", raw))
    values |= {"kind": Kind(values["kind"]), "tags": tuple(values["tags"]), "said_at": moment(values.get("said_at"))}
    values["place"] = _pair(values.get("place"))
    return PreparedText(**_known(PreparedText, values))


def dump_preferences(preferences: Preferences, before: str | None = None) -> str:
    """`before`: what is kept now; of that, what only a newer version knows stays."""
    kept = json.loads(vault.current().open("preferences", before)) if before else {}
    names = {field.name for field in fields(Preferences)}
    more = {name: value for name, value in kept.items() if name not in names}
    return vault.current().seal("preferences", _versioned(more | _fields(preferences)))


def load_preferences(raw: str | None) -> Preferences:
    values = json.loads(vault.current().open("preferences", raw)) if raw else {}
    if values:
        kind = values["import_as"]
        values |= {
            "import_as": Kind(kind) if kind else None,
            "senders": tuple(values["senders"]),
            "paused_at": moment(values.get("paused_at")),
            "keep_history": tuple(values.get("keep_history", ())),
            "tell": Tell(values.get("tell", Tell.NOTHING)),
            "rules": tuple(map(_load_rule, values.get("rules", ()))),
        }
    return Preferences(**_known(Preferences, values))


def _load_rule(row: dict[str, str]) -> UserRule:
    return UserRule(**_known(UserRule, row | {"then": Then(row["then"]), "through": Through(row["through"])}))


def load_delivery(raw: dict[str, str]) -> Delivery:
    """From the delivery's hash: `data` as it was begun, the rest as it changed since."""
    values = json.loads(vault.current().open("delivery", raw["data"]))
    values |= {
        "lane": Lane(**values["lane"] | {"kind": Kind(values["lane"]["kind"])}),
        "message_ids": tuple(values["message_ids"]),
        "started_at": datetime.fromisoformat(values["started_at"]),
        "begun_at": datetime.fromisoformat(values["begun_at"]),
        "first_tried_at": datetime.fromisoformat(values["first_tried_at"]),
        "state": DeliveryState(raw.get("state", "sending")),
        "look_at": moment(raw.get("look_at")),
        "reason": raw.get("reason"),
        "cause": raw.get("cause"),
        "seen": bool(raw.get("seen")),
    }
    if again := raw.get("again_ms"):  # put back by a replay: the retry horizon begins anew
        values["first_tried_at"] = from_ms(again)
    return Delivery(**_known(Delivery, values))


def dump_made(made: Made | None) -> str:
    return vault.current().seal("made", _versioned(_fields(made))) if made else ""


def load_made(raw: str) -> Made:
    values = json.loads(vault.current().open("made", raw))
    return Made(**_known(Made, values | {"action_items": tuple(values["action_items"])}))


def dump_delivery(delivery: Delivery) -> str:
    values = _fields(delivery)
    for changing in ("state", "look_at", "reason", "cause", "seen"):
        del values[changing]
    return vault.current().seal("delivery", _versioned(values))


def _versioned(values: dict[str, Any]) -> str:
    return dumps(values | {"v": VERSION})


def _known(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Without what only a newer version knows: old and new workers run side by side during an update."""
    names = _names(kind)
    return {name: value for name, value in values.items() if name in names}


_NAMES: dict[type[Any], tuple[str, ...]] = {}


def _names(kind: type[Any]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(kind))
    return _NAMES[kind]


def _fields(value: Any) -> dict[str, Any]:
    """One level deep: `asdict` would copy everything below, which costs more than the encoding."""
    return {name: getattr(value, name) for name in _names(type(value))}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(f"{type(value).__name__} has no place in the store")


_ENCODER = json.JSONEncoder(default=_plain, separators=(",", ":"))
