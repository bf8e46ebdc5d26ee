"""A packed message as one value: JSON with accounts once and times as steps, sealed and compressed. Pure.

What would not come back exactly as it was is not packed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from integration_app.errors import StoreUnfit
from integration_app.model import MessageState
from integration_app.store import codec, stories
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.vault import current

KIND = "packed"
PACKED_AFTER = timedelta(hours=1)
"""After its last event: by then Omi has usually told what it made of a message, which is written into it."""
_VERSION = 1
_LONG_MAX = 200
"""Fields and events of a message; more would hold up others."""
_SEALED = {"envelope": "envelope", "content": "content", "prepared": "prepared", "made": "made"}
_TIMES = ("t", "y", "x")
_ID_DIGITS = 24
_UNREADABLE = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
_ENDED = (MessageState.DONE, MessageState.DROPPED)


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it lies in Redis. `lives`: milliseconds until it expires; -1 for one that does not."""

    fields: Mapping[str, str]
    story: Sequence[str]
    lives: int = -1

    def sealed(self) -> Kept:
        """As it is written: what a packed message has open is sealed again."""
        return replace(self, fields={name: _seal(name, value) for name, value in self.fields.items()})

    def opened(self) -> Kept:
        return replace(self, fields={name: _open(name, value) for name, value in self.fields.items()})


def packed(message_id: str, kept: Kept, now: datetime) -> str | None:
    """As one value; None for one that is not to be packed."""
    if not kept.story or len(kept.story) > _LONG_MAX or len(kept.fields) > _LONG_MAX:
        return None
    states = {name.removeprefix("state:"): state for name, state in kept.fields.items() if name.startswith("state:")}
    if not states or not set(states.values()) <= set(_ENDED):
        return None
    try:
        whole = kept.opened()
        if max(json.loads(row)["t"] for row in kept.story) > stories.micro(now - PACKED_AFTER):
            return None
        record = _record(whole, list(states), stories.micro(arrived_at(message_id)))
        value = codec.dumps(record)
        is_same = replace(_whole(json.loads(value), stories.micro(arrived_at(message_id))), lives=whole.lives) == whole
    except (*_UNREADABLE, OverflowError, StoreUnfit):
        return None  # spoilt, sealed under a key that is gone, or written by another version
    return current().seal(KIND, value) if is_same else None


def unpacked(message_id: str, raw: str) -> Kept:
    """With its values open. Raises `KeyMissing`, and `ValueError` for what is spoilt, or of another version."""
    try:
        return _whole(json.loads(current().open(KIND, raw)), stories.micro(arrived_at(message_id)))
    except _UNREADABLE:
        raise ValueError("a packed message is spoilt") from None  # the chain would carry its text


def arrived_at(message_id: str) -> datetime:
    """When it arrived, by its id."""
    try:
        return codec.from_ms(int(message_id[1:13], 16))
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


# --- the record: accounts stand in it once, times are counted from the one before, the first from the id --------------


def _record(whole: Kept, names: list[str], at: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in whole.fields.items():
        mark, colon, account = name.partition(":")
        key = f"{mark}:{names.index(account)}" if colon else name
        fields[key] = json.loads(value) if mark in _SEALED else value
    fields["envelope"] = _short_envelope(fields["envelope"], at)
    tags = {stories.tag(name): place for place, name in enumerate(names)}
    story = []
    for row in map(json.loads, whole.story):
        if "e" not in row or isinstance(row.get("T"), dict) or {"uid", "uids", "trust"} & row.keys():
            raise ValueError("an event of an earlier version, which names accounts in another way")
        story.append(_with_tags(row, tags) | {name: row[name] - at for name in _TIMES if name in row})
        at = row["t"]
    return {"v": _VERSION, "fields": fields, "uids": list(map(uid_of, names)), "story": story}


def _whole(record: Mapping[str, Any], at: int) -> Kept:
    if record["v"] != _VERSION:
        raise ValueError("packed by another version")
    names = list(map(name_of, record["uids"]))
    fields = {}
    for key, value in (record["fields"] | {"envelope": _long_envelope(record["fields"]["envelope"], at)}).items():
        mark, colon, place = key.partition(":")
        fields[f"{mark}:{names[int(place)]}" if colon else key] = codec.dumps(value) if mark in _SEALED else value
    tags = dict(enumerate(map(stories.tag, names)))
    story = []
    for row in record["story"]:
        long = _with_tags(row, tags) | {name: row[name] + at for name in _TIMES if name in row}
        story.append(codec.dumps(long))
        at = long["t"]
    return Kept(fields, story)


def _with_tags(row: Mapping[str, Any], tags: Mapping[Any, Any]) -> dict[str, Any]:
    """An event in which each account is what `tags` makes of it."""
    changed: dict[str, Any] = {}
    if row.get("u") is not None:
        changed["u"] = tags[row["u"]]
    if "U" in row:
        changed["U"] = [tags[one] for one in row["U"]]
    return {**row, **changed}


def _short_envelope(envelope: dict[str, Any], at: int) -> dict[str, Any]:
    """Without the key that nearly all have, and with times as numbers."""
    times = {name: envelope[name] for name in ("received_at", "sent_at") if envelope.get(name)}
    short = {name: stories.micro(value) for name, value in times.items()}
    changed = {name: micro - at for name, micro in short.items() if stories.moment(micro).isoformat() == times[name]}
    return envelope | changed | ({"dedupe_keys": 0} if envelope["dedupe_keys"] == [_dedupe_key(envelope)] else {})


def _long_envelope(envelope: dict[str, Any], at: int) -> dict[str, Any]:
    times = {name: envelope.get(name) for name in ("received_at", "sent_at")}
    changed = {name: stories.moment(at + micro).isoformat() for name, micro in times.items() if isinstance(micro, int)}
    return envelope | changed | ({"dedupe_keys": [_dedupe_key(envelope)]} if envelope["dedupe_keys"] == 0 else {})


def _dedupe_key(envelope: Mapping[str, Any]) -> str:
    return f"{envelope['provider']}:{envelope['event_id']}"


# --- values of a message's hash, as they are sealed, and ids as they are listed ------------------------------------


def _open(name: str, value: str) -> str:
    kind = _SEALED.get(name.partition(":")[0])
    return current().open(kind, value) if kind else value


def _seal(name: str, value: str) -> str:
    kind = _SEALED.get(name.partition(":")[0])
    return value if kind is None or current().is_current(value) else current().seal(kind, current().open(kind, value))


def listed(message_id: str) -> str | bytes:
    """An id as it stands in the list: half as long where it is one of ours."""
    digits = message_id[1:]
    if message_id[:1] != "m" or len(digits) != _ID_DIGITS or not set(digits) <= set("0123456789abcdef"):
        return message_id
    return bytes.fromhex(digits)


def named(row: str) -> str:
    """The id that is listed so, as clients of Redis read it: bytes as surrogate escapes."""
    raw = row.encode("utf-8", "surrogateescape")
    return f"m{raw.hex()}" if len(raw) == _ID_DIGITS // 2 else row
