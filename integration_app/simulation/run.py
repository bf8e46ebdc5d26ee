"""Runs a trace through the real grouping, against a quota, as fast as it computes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integration_app.model import Content, InboundMessage, Kind, Route, WaitingMessage
from integration_app.pipeline.delivery import group
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.pipeline.rules import Rules
from integration_app.simulation.trace import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`calls` of one kind within `window`, which begins with the first call."""

    calls: int = 10
    window: timedelta = timedelta(hours=1)
    call: timedelta = timedelta(seconds=3)
    """How long Omi takes for one."""


@dataclass(slots=True)
class Result:
    messages: int = 0
    calls: int = 0
    refused: int = 0
    merged: int = 0
    """Messages that went along with another one."""
    waits: list[float] = field(default_factory=list)
    """Seconds from arrival to Omi's answer, one for each message."""

    def wait(self, part: float) -> float:
        """Seconds; `part` of the messages waited no longer."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0

    @property
    def calls_per_message(self) -> float:
        return self.calls / self.messages if self.messages else 0.0


def simulate(arrivals: Iterable[Arrival], rules: Rules, quota: Quota) -> Result:
    """Each uid on its own, as its outbox is: what one waits for costs no other anything."""
    result = Result()
    outboxes: dict[str, list[WaitingMessage]] = defaultdict(list)
    for number, row in enumerate(sorted(arrivals, key=lambda row: row.at), 1):
        outboxes[row.uid].append(_waiting(number, row))
    for messages in outboxes.values():
        _Outbox(messages, rules, quota, result).run()
    return result


class _Outbox:
    def __init__(self, messages: list[WaitingMessage], rules: Rules, quota: Quota, result: Result) -> None:
        self._coming = messages[::-1]
        self._here: list[WaitingMessage] = []
        self._gates: dict[Kind, datetime] = {}
        self._windows: dict[Kind, tuple[datetime, int]] = {}
        self._rules, self._quota, self._result = rules, quota, result

    def run(self) -> None:
        now = self._coming[-1].message.received_at
        while self._coming or self._here:
            while self._coming and self._coming[-1].message.received_at <= now:
                self._here.append(self._coming.pop())
            groups = group.plan(self._here, self._gates, self._rules)
            ready = next((one for one in groups if one.closes_at <= now and self._is_open(one.lane.kind, now)), None)
            if ready is not None:
                now += self._send(ready, now)
                continue
            times = [max(one.closes_at, self._gates.get(one.lane.kind, now)) for one in groups]
            if self._coming:
                times.append(self._coming[-1].message.received_at)
            now = max(now + timedelta(microseconds=1), min(times))

    def _is_open(self, kind: Kind, now: datetime) -> bool:
        return self._gates.get(kind, now) <= now

    def _send(self, ready: group.Group, now: datetime) -> timedelta:
        """One call. Returns how long it took."""
        kind, quota, result = ready.lane.kind, self._quota, self._result
        began, used = self._windows.get(kind, (now, 0))
        if now >= began + quota.window:
            began, used = now, 0
        self._windows[kind] = (began, used + 1)
        if used >= quota.calls:
            result.refused += 1
            self._gates[kind] = began + quota.window
            return timedelta(0)
        sent = {item.id for item in ready.messages}
        self._here = [item for item in self._here if item.id not in sent]
        done = now + quota.call
        result.calls += 1
        result.messages += len(ready.messages)
        result.merged += len(ready.messages) - 1
        result.waits += [(done - item.message.received_at).total_seconds() for item in ready.messages]
        return quota.call


def _waiting(number: int, row: Arrival) -> WaitingMessage:
    words = "x" * row.chars
    message = InboundMessage(
        provider="simulated",
        event_id=str(number),
        dedupe_keys=(str(number),),
        channel=row.channel,
        route=Route.SENDER,
        sender=row.sender,
        received_at=row.at,
        content=Content(text=f"remember: {words}" if row.memory else words),
    )
    return WaitingMessage(f"m{number}", number, message, prepare(message))
