"""A message's life: its states, the events of its story, and why it waits or ended.

A new state or event starts here. What else it needs, mypy asks for (`assert_never` where events are told) and
tests/unit/test_lifecycle.py (labels, transitions, the order of states).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any, ClassVar


class MessageState(StrEnum):
    """Where one message stands for one uid, the least finished first: that order decides the state of the whole."""

    SENDING = "sending"
    WAITING = "waiting"
    QUARANTINED = "quarantined"
    PARKED = "parked"
    DROPPED = "dropped"
    DONE = "done"

    @property
    def is_final(self) -> bool:
        """Whether it has left the outbox; an operator may put a parked one back."""
        return self in (MessageState.PARKED, MessageState.DROPPED, MessageState.DONE)

    @property
    def needs_text(self) -> bool:
        return self not in (MessageState.DROPPED, MessageState.DONE)


RECORDED = "recorded"
"""The overall state of a message without recipients (a carrier word, a loop): kept, never forwarded."""

TRANSITIONS: Mapping[MessageState, frozenset[MessageState]] = {
    MessageState.WAITING: frozenset({MessageState.SENDING, MessageState.QUARANTINED}),
    MessageState.SENDING: frozenset(
        {MessageState.WAITING, MessageState.DONE, MessageState.PARKED, MessageState.DROPPED}
    ),
    MessageState.QUARANTINED: frozenset({MessageState.WAITING, MessageState.DROPPED}),
    MessageState.PARKED: frozenset({MessageState.WAITING, MessageState.DROPPED, MessageState.DONE}),
    MessageState.DROPPED: frozenset(),
    MessageState.DONE: frozenset(),
}
"""What may follow what. An erasure ends every state."""


def overall(states: Mapping[str, MessageState], control: str | None) -> str:
    """One state for a message that several uids get: the least finished of theirs."""
    present = set(states.values())
    first = next((state for state in MessageState if state in present), None)
    if first is not None:
        return first.value
    return RECORDED if control else MessageState.DROPPED.value


class DeliveryState(StrEnum):
    """Where one request to Omi stands. `sending` and `unknown` are open: they hold up their lane."""

    SENDING = "sending"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"
    DONE = "done"
    PARKED = "parked"
    DROPPED = "dropped"

    @property
    def message_state(self) -> MessageState:
        """The state of its messages."""
        match self:
            case DeliveryState.SENDING | DeliveryState.UNKNOWN:
                return MessageState.SENDING
            case DeliveryState.WITHDRAWN:
                return MessageState.WAITING
            case DeliveryState.DONE:
                return MessageState.DONE
            case DeliveryState.PARKED:
                return MessageState.PARKED
            case DeliveryState.DROPPED:
                return MessageState.DROPPED


class Reason(Enum):
    """Why a message waits, was withdrawn or ended: the operator's sentence, and the user's label (a msgid; `%(time)s`
    is until when). A detail may stand in for the sentence; the reason stays.
    """

    # waiting
    TURN_HAS_COME = ("its turn has come", "on its way")
    WAITING_FOR_MORE = ("waiting for more", "waiting for more until %(time)s")
    PAUSED = ("paused by the user", "waiting: you have paused")
    IN_FLIGHT = ("a call to Omi is running", "on its way")
    OUTCOME_UNKNOWN = (
        "outcome unknown: Omi will be read before anything is sent again",
        "on its way: we are checking whether Omi has it",
    )
    AFTER_GAP = (
        "Redis was restarted or replaced: Omi is read first, for what it may hold already",
        "on its way: we are checking whether Omi has it",
    )
    BEYOND_SNAPSHOT = ("behind more messages than one snapshot holds", "on its way")
    FLEET_BUDGET = ("the fleet's budget of requests", "waiting for a free place until %(time)s")
    # held up, or tried again later
    RATE_LIMIT = ("Omi's rate limit", "waiting: Omi allows the next one at %(time)s")
    RATE_LIMIT_FOR_ALL = ("Omi's rate limit, for everybody", "waiting: Omi allows the next one at %(time)s")
    NOT_ENABLED = ("not enabled in Omi", "waiting: enable the app in Omi")
    OMI_AWAY = ("Omi does not answer", "waiting: Omi does not answer at the moment")
    KEY_REFUSED = ("Omi refuses our key or app", "waiting: we have to mend something; nothing is lost")
    CAPABILITY_MISSING = ("the app lacks a capability", "waiting: we have to mend something; nothing is lost")
    NOT_STORED = ("not in Omi after the settling pause: certainly not stored", "on its way")
    INTERRUPTED = ("the worker died during the call; sending it again cannot double it", "on its way")
    NOT_REPLICATED = ("too few replicas have the record", "on its way")
    # ended
    ACCEPTED = ("accepted by Omi", "in your Omi")
    CONFIRMED = ("confirmed by read-back", "in your Omi")
    SEEN = ("Omi shows it", "in your Omi")
    GAVE_UP = ("gave up", "could not be delivered")
    UNREADABLE_OUTCOME = ("outcome unknown: Omi does not let us read back", "could not be delivered")
    REFUSED = ("Omi refuses this request", "could not be delivered")
    UNEXPECTED = ("an unexpected answer", "could not be delivered")
    FAILS_EACH_TIME = ("Omi fails each time at this text, and takes others", "could not be delivered")
    UNREADABLE = ("its record in Redis cannot be read", "could not be delivered")
    ENDS_WORKERS = ("it cost three workers their life or their lease", "could not be delivered")
    RECORD_LOST = ("the record of its delivery cannot be read: it may already be in Omi", "could not be delivered")
    CRASH = ("a crash of ours", "could not be delivered")
    TEXT_GONE = ("its text is gone", "could not be delivered")
    NOT_FETCHED = ("its provider does not hand its text over", "could not be delivered")
    USER_LEFT = ("the user left and did not return in time", "not forwarded")
    NOTHING_READABLE = ("nothing readable in it", "not forwarded")
    AUTOMATIC = ("an automatic mail", "not forwarded")
    OWN_RULE = ("dropped by a rule of the user's", "not forwarded, by your rule")
    # what earlier versions wrote
    OTHER = ("", "on its way")

    def __init__(self, sentence: str, label: str) -> None:
        self.sentence = sentence
        self.label = label

    @property
    def key(self) -> str:
        return self.name.lower()

    @classmethod
    def read(cls, key: str | None, sentence: str = "") -> Reason:
        """From its key; data of before 0.2 has the sentence alone."""
        for reason in cls:
            if (key and reason.key == key) or (not key and sentence and reason.sentence == sentence):
                return reason
        return cls.OTHER


# --- events of a story: one class a kind, as JSON in Redis ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is when it was written, `uid` whom it concerns; None concerns all."""

    name: ClassVar[str]
    at: datetime
    uid: str | None = None

    def values(self) -> dict[str, Any]:
        """Its fields, without those that say nothing."""
        values: dict[str, Any] = {"event": self.name, "uid": self.uid}
        for row in fields(self):
            name, value = row.name, getattr(self, row.name)
            if value is not None and value != ():
                values[name] = value
        return values

    def as_dict(self) -> dict[str, Any]:
        """The same, fit for JSON."""
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in self.values().items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Event):
    """`trust`: per uid {"level", "why"}. `control`: why it is only recorded."""

    name = "received"
    provider: str = ""
    channel: str = ""
    control: str | None = None
    uids: tuple[str, ...] = ()
    trust: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMade(Event):
    """A part of message `of`, whose text is too long for one conversation."""

    name = "part"
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Event):
    """A delivery was written down; its call comes next."""

    name = "begun"
    delivery: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Event):
    """What became of a delivery: `state`; `outcome`, `status` and `seconds` of its call or read-back."""

    name = "settled"
    state: DeliveryState = DeliveryState.DONE
    delivery: str = ""
    kind: str = ""
    outcome: str = ""
    status: int | None = None
    seconds: float | None = None
    reason: str = ""
    cause: str = ""
    tried_at: datetime | None = None
    until: datetime | None = None

    def values(self) -> dict[str, Any]:
        """Under the name of its state, as every version has written it."""
        values = Event.values(self)
        state = values.pop("state")
        return {"status": None, "seconds": None} | values | {"event": str(state), "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed(Event):
    name = "replayed"
    by: str | None = None
    replay: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedByOperator(Event):
    name = "dropped by hand"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released(Event):
    name = "released"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldByRule(Event):
    name = "held by a rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFromQuarantine(Event):
    name = "dropped from quarantine"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInOmi(Event):
    """`by`: the conversation's id in Omi."""

    name = "seen in Omi"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextShown(Event):
    name = "text shown"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAsked(Event):
    """`by`: the message with which the whole mail is delivered."""

    name = "whole mail asked for"
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Event):
    """Written by another version; told as it stands."""

    name = "unknown event"
    raw: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return dict(self.raw or {}) | {"at": self.at.isoformat()}


AnyEvent = (
    Received
    | PartMade
    | Begun
    | Settled
    | Replayed
    | DroppedByOperator
    | Released
    | HeldByRule
    | DroppedFromQuarantine
    | SeenInOmi
    | TextShown
    | WholeAsked
    | Unknown
)
_PLAIN: Mapping[str, type[AnyEvent]] = {
    kind.name: kind
    for kind in (
        Received,
        PartMade,
        Begun,
        Replayed,
        DroppedByOperator,
        Released,
        HeldByRule,
        DroppedFromQuarantine,
        SeenInOmi,
        TextShown,
        WholeAsked,
    )
}


def read_event(raw: Mapping[str, Any]) -> AnyEvent:
    """From its JSON. Never raises: what another version wrote is `Unknown`, fields it does not know are left out."""
    name = str(raw.get("event", ""))
    states = {state.value for state in DeliveryState}
    kind: type[AnyEvent] = Settled if name in states else _PLAIN.get(name, Unknown)
    try:
        values = _known(kind, raw) | {"at": datetime.fromisoformat(str(raw["at"]))}
        if kind is Settled:
            values["state"] = DeliveryState(name)
            values |= {row: datetime.fromisoformat(raw[row]) for row in ("tried_at", "until") if raw.get(row)}
        if kind is Unknown:
            values["raw"] = dict(raw)
        return kind(**values)
    except (KeyError, TypeError, ValueError):
        return Unknown(at=datetime.fromtimestamp(0, UTC), raw=dict(raw))


def _known(kind: type[Event], raw: Mapping[str, Any]) -> dict[str, Any]:
    names = {row.name for row in fields(kind)}
    found = {name: value for name, value in raw.items() if name in names and value is not None}
    if "uids" in found:
        found["uids"] = tuple(found["uids"])
    return found
