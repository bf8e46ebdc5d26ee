"""Events of a message's story: short at rest, whole again when they are read.

At rest an event is JSON with names of one letter, times in microseconds since 1970, sentences that come again and again
as their number in `_WORDS`, and accounts by a tag: the message itself says whose tags those are. What an earlier
version wrote whole is read as it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from integration_app.model import AnyEvent, Event, Reason, Verdict, read_event
from integration_app.store.accounts import name_of, uid_of

_NAMES = {
    "at": "t", "uid": "u", "event": "e", "delivery": "d", "kind": "k", "status": "s", "seconds": "n", "outcome": "o",
    "reason": "r", "cause": "c", "tried_at": "y", "until": "x", "provider": "p", "channel": "h", "by": "b",
}  # fmt: skip
_WHOLE = {short: name for name, short in _NAMES.items()}
_TIMES, _CODED = ("at", "tried_at", "until"), ("event", "kind", "outcome", "cause", "provider", "channel", "by")
_WORDS = (
    "received", "begun", "done", "part", "unknown", "withdrawn", "parked", "dropped", "replayed", "released",
    "seen in Omi", "text shown", "conversation", "memories", "tasks", "accepted", "read back from Omi", "not sent",
    "confirmed", "sms", "email", "whatsapp", "user", "operator",
    "verified", "allowed", "rejected", "sent from a linked phone", "its network vouches for the sender",
    "signed with a key of ours", "written on the user's page", "it reached the private address",
    "DMARC passed for its sender's domain", "signed by its sender's domain (DKIM)",
    "sent from a server of its sender's domain (SPF)", "nothing proves its sender",
    "its sender is not on the list of allowed senders", "the user lets this sender in without proof",
)  # fmt: skip
"""Only ever longer: the place of a word is what stands at rest."""
_CODES = {word: place for place, word in enumerate(_WORDS)}
_TAG, _EPOCH = 10, datetime(1970, 1, 1, tzinfo=UTC)


def dump(event: Event) -> str:
    """With `"u":null` where it concerns all: a script may put an account's tag there."""
    return pack(of_whom(event.values(), name_of))


@lru_cache(1000)
def dump_verdict(verdict: Verdict) -> str:
    """As a script puts it into an event that was received."""
    return _dumps([_code(word) for word in (verdict.trust.value, *verdict.why)])


def load(raw: str, names: Iterable[str]) -> AnyEvent:
    """`names`: what the accounts that have the message are called at rest. Never raises for what others wrote."""
    try:
        return read_event(of_whom(unpack(raw, names), uid_of))
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return read_event({"spoilt": raw[:200]})


def pack(values: Mapping[str, Any]) -> str:
    """From an event's fields, whole, with accounts as they are called at rest."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _TIMES and value:
            found[_NAMES[name]] = micro(value)
        elif name == "uid":
            found["u"] = tag(value) if value else None
        elif name == "uids":
            found["U"] = [tag(uid) for uid in value]
        elif name == "trust":
            rows = {tag(uid): [_code(row["level"]), *map(_code, row["why"])] for uid, row in value.items()}
            found["T"] = [rows.get(uid, []) for uid in found["U"]] if "U" in found else rows
        elif name == "reason" and value == Reason.read(values.get("cause")).sentence:
            continue  # its cause says it
        elif value is not None:
            found[_NAMES.get(name, name)] = _code(value) if name in _CODED else value
    return _dumps(found)


def unpack(raw: str, names: Iterable[str]) -> dict[str, Any]:
    """The fields of an event, whole."""
    row: dict[str, Any] = json.loads(raw)
    if not isinstance(row, dict) or "e" not in row:
        return row  # as versions before 0.4 wrote it
    called = {tag(name): name for name in names}
    found: dict[str, Any] = {}
    for short, value in row.items():
        name = _WHOLE.get(short, short)
        if name in _TIMES:
            found[name] = moment(value).isoformat()
        elif name in _CODED:
            found[name] = _word(value)
        elif name == "uid":
            found[name] = called.get(value, value)
        elif name == "U":
            found["uids"] = [called.get(uid, uid) for uid in value]
        elif name == "T":
            rows = value.items() if isinstance(value, dict) else zip(row.get("U", ()), value, strict=False)
            found["trust"] = {called.get(uid, uid): _verdict(words) for uid, words in rows if words}
        else:
            found[name] = value
    if "cause" in found and "reason" not in found:
        found["reason"] = Reason.read(found["cause"]).sentence
    return found


def without(rows: Iterable[str], names: Iterable[str], name: str) -> list[str]:
    """A story as if `name` had never been among its `names`."""
    found = []
    for event in (unpack(row, names) for row in rows):
        if event.get("uid") == name:
            continue
        if "uids" in event:
            event["uids"] = [other for other in event["uids"] if other != name]
        if isinstance(event.get("trust"), dict):
            event["trust"].pop(name, None)
        found.append(pack(event))
    return found


def received_by(rows: Sequence[str], names: Iterable[str], event: Mapping[str, Any]) -> tuple[int, str] | None:
    """Where a message was received, in a story that others of its users have; and the row with those of `event` too."""
    for place, row in enumerate(rows):
        there = unpack(row, names)
        if "uids" in there and there.get("event") == event.get("event"):
            uids = sorted({*there["uids"], *event["uids"]})
            return place, pack(there | {"uids": uids, "trust": (there.get("trust") or {}) | (event.get("trust") or {})})
    return None


@lru_cache(10_000)
def tag(name: str) -> str:
    """What an account is called within one story: ten letters tell its few accounts apart."""
    return hashlib.sha1(name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()[:_TAG]


def moment(micro: int) -> datetime:
    """From a time as it stands in an event at rest."""
    return _EPOCH + timedelta(microseconds=micro)


def micro(moment: datetime | str) -> int:
    at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (at - _EPOCH) // timedelta(microseconds=1)


def of_whom(values: dict[str, Any], called: Callable[[str], str]) -> dict[str, Any]:
    """An event's fields, with every uid in them as it is `called`."""
    changed: dict[str, Any] = {}
    if values.get("uid"):
        changed["uid"] = called(values["uid"])
    if values.get("uids"):
        changed["uids"] = list(map(called, values["uids"]))
    if isinstance(values.get("trust"), dict):
        changed["trust"] = {called(uid): verdict for uid, verdict in values["trust"].items()}
    return values | changed


def _verdict(words: list[Any]) -> dict[str, Any]:
    level, *why = map(_word, words)
    return {"level": level, "why": why}


def _code(word: str) -> str | int:
    return _CODES.get(word, word)


def _word(code: str | int) -> str:
    return _WORDS[code] if isinstance(code, int) and 0 <= code < len(_WORDS) else str(code)


_dumps = json.JSONEncoder(separators=(",", ":")).encode
