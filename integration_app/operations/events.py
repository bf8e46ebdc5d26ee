"""The events of a story in the operator's words."""

from __future__ import annotations

from typing import assert_never

from integration_app.model import (
    AnyEvent,
    Begun,
    DeliveryState,
    DroppedByOperator,
    DroppedFromQuarantine,
    HeldByRule,
    PartMade,
    Received,
    Released,
    Replayed,
    SeenInOmi,
    Settled,
    TextShown,
    Unknown,
    WholeAsked,
)

_OWN = {"page": "written on the user's page", "import": "imported by the user"}
"""How what came through no provider came."""
_CONTROL = {
    "LINK": "a link code",
    "UNLINK": "all links of that phone have ended",
    "LOOP": "it comes from one of our own addresses",
    "RECORDING": "a recording without words",
    "TRANSCRIPT": "a part of a live transcript without final words",
}
_STATES = {
    DeliveryState.SENDING: "a call to Omi is running",
    DeliveryState.UNKNOWN: "outcome unknown, will be read back",
    DeliveryState.WITHDRAWN: "not stored, waits",
    DeliveryState.DONE: "done",
    DeliveryState.PARKED: "parked",
    DeliveryState.DROPPED: "dropped",
}


def sentences(event: AnyEvent) -> list[str]:  # noqa: C901 - it is a table
    """What happened, a line each; the first is the main one."""
    match event:
        case Received():
            return _received(event)
        case PartMade(of=of):
            return [f"a part of {of}, which is too long for one"]
        case Begun(uid=uid, delivery=delivery):
            return [f"{uid}: delivery {delivery} is written down, its call begins"]
        case Settled():
            return [_settled(event)]
        case Replayed(uid=uid, by=by, replay=replay):
            return [f"{uid}: replayed ({by or f'replay {replay}'})"]
        case DroppedByOperator(uid=uid, by=by):
            return [f"{uid}: dropped by hand ({by})"]
        case Released(uid=uid, by=by):
            return [f"{uid}: released ({by})"]
        case HeldByRule(uid=uid):
            return [f"{uid}: held by a rule of the user's"]
        case DroppedFromQuarantine(uid=uid, by=by):
            return [f"{uid}: dropped from quarantine ({by})"]
        case SeenInOmi(uid=uid, by=by):
            return [f"{uid}: seen in Omi ({by})"]
        case TextShown(by=by):
            return [f"its text was shown to {by}"]
        case WholeAsked(uid=uid, by=by):
            return [f"{uid}: asked for the whole mail, which is {by}"]
        case Unknown(raw=raw):
            return [f"{(raw or {}).get('event', 'an event')} (of another version)"]
        case _:
            assert_never(event)


def _received(event: Received) -> list[str]:
    if event.control:
        reason = _CONTROL.get(event.control, f"{event.control} is a word for the carrier")
        return [f"received, its signature is genuine; {reason}: recorded, not forwarded"]
    came = _OWN.get(event.provider, "received, its signature is genuine")
    lines = [f"{came}, for {', '.join(event.uids) or 'no user'}"]
    for uid, found in (event.trust or {}).items():
        lines.append(f"{uid}: sender {found.get('level')} ({', '.join(found.get('why', ()))})")
    return lines


def _settled(event: Settled) -> str:
    status = f" (HTTP {event.status})" if event.status else ""
    took = f" in {event.seconds} s" if event.seconds is not None else ""
    until = f" until {event.until:%H:%M:%S}" if event.until else ""
    reason = "" if event.reason.startswith(event.outcome) else f": {event.reason}"
    return f"{event.uid}: {event.outcome}{status}{took} → {_STATES[event.state]}{until}{reason}"
