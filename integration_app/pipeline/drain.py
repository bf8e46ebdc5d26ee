"""Empty one outbox: the one thing a worker does.

The life of a drain: take the lease → settle what has an unknown outcome → prepare → group → for each group that is
complete and whose gate is open: compose, write it down, call Omi, decide, record → say when to look next.
Whatever dies in between, the lease runs out and the next drain begins at the top.
"""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from integration_app import logs
from integration_app.errors import LeaseLost
from integration_app.model import (
    Attempt,
    Clock,
    Decision,
    Delivery,
    Done,
    Drop,
    Gate,
    GateScope,
    Installation,
    InstallationState,
    Kind,
    Park,
    PreparedText,
    Reconcile,
    Retry,
    WaitingMessage,
)
from integration_app.omi import IntegrationsClient, OmiError
from integration_app.pipeline.compose import compose
from integration_app.pipeline.group import Group, lane_of, plan
from integration_app.pipeline.policy import Situation, decide
from integration_app.pipeline.prepare import prepare, said_at
from integration_app.pipeline.reconcile import reconcile
from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet, Lease
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.inbox import Inbox
from integration_app.store.installations import Installations
from integration_app.store.outbox import Outbox, OutboxView

log = logs.get(__name__)


@dataclass(slots=True)
class _Pass:
    """One look at an outbox and what came of it."""

    lease: Lease
    view: OutboxView
    gates: dict[str, Gate]
    installation: Installation | None
    acted: bool = False
    wakes: list[datetime] = field(default_factory=list)


class Drain:
    def __init__(
        self,
        *,
        omi: IntegrationsClient,
        inbox: Inbox,
        outbox: Outbox,
        installations: Installations,
        due: DueSet,
        deliveries: Deliveries,
        gates: Gates,
        health: Health,
        rules: Rules,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._omi = omi
        self._inbox = inbox
        self._outbox = outbox
        self._installations = installations
        self._due = due
        self._deliveries = deliveries
        self._gates = gates
        self._health = health
        self._rules = rules
        self._clock = clock
        self._chance = chance

    def run(self, uid: str) -> None:
        """Send what can be sent of one uid's outbox. Does nothing while another worker holds it."""
        lease = self._due.claim(uid, now=self._clock(), salt=secrets.token_hex(4))
        if lease is None:
            return
        try:
            self._run(lease)
        except LeaseLost:
            log.warning("lease lost", uid=uid)

    def _run(self, lease: Lease) -> None:
        give_up_at = time.monotonic() + self._rules.drain_budget.total_seconds()
        while True:
            look = self._look(lease)
            self._step(look, give_up_at)
            next_at: datetime | None
            if not look.acted:
                next_at = min(look.wakes, default=None)
            elif time.monotonic() >= give_up_at:
                next_at = self._clock()
            else:
                continue
            self._due.release(lease, next_at=next_at, last_seq=look.view.last_seq, now=self._clock())
            return

    def _look(self, lease: Lease) -> _Pass:
        return _Pass(
            lease=lease,
            view=self._outbox.view(lease.uid),
            gates=self._gates.of(lease.uid),
            installation=self._installations.get(lease.uid),
        )

    def _step(self, look: _Pass, give_up_at: float) -> None:
        if self._has_left_for_good(look):
            self._drop_all(look)
            return
        busy = {delivery.lane for delivery in look.view.open if not self._settle_open(look, delivery)}
        waiting = [ready for item in look.view.waiting if (ready := self._prepared(look, item))]
        for group in plan(waiting, _closed_until(look.gates), self._rules):
            if group.lane in busy:
                continue
            now = self._clock()
            ready_at = max(group.closes_at, _gate_until(look.gates, group.lane.kind, now))
            if ready_at > now:
                look.wakes.append(ready_at)
                busy.add(group.lane)  # retries never overtake, and nothing overtakes them
            elif time.monotonic() < give_up_at:
                if not self._deliver(look, group):
                    busy.add(group.lane)
            else:
                look.acted = True
                return
        if look.view.more:
            look.wakes.append(self._clock())

    # --- unknown outcomes ---------------------------------------------------------------------------------

    def _settle_open(self, look: _Pass, delivery: Delivery) -> bool:
        """Find out what became of a delivery. True when it is settled, and its lane free again."""
        now = self._clock()
        look_at = max(delivery.look_at or now, _gate_until(look.gates, delivery.lane.kind, now))
        if look_at > now:
            look.wakes.append(look_at)
            return False
        started = time.monotonic()
        decision = reconcile(delivery, self._omi, self._rules, now)
        attempt = Attempt(now, "looked into Omi", None, round(time.monotonic() - started, 3))
        self._apply(look, delivery, decision, attempt)
        if isinstance(decision, Reconcile):
            look.wakes.append(decision.look_at)
            return False
        look.acted = True
        return True

    # --- sending ------------------------------------------------------------------------------------------

    def _prepared(self, look: _Pass, item: WaitingMessage) -> WaitingMessage | None:
        """The message with its text; None when it has none, or when making it failed: then it is parked."""
        if item.prepared:
            return item
        try:
            prepared = prepare(item.message)
        except Exception as error:  # noqa: BLE001 - a poison message must not block those behind it
            self._set_aside(look, [item], Park(_crash("prepare", error)))
            return None
        self._inbox.save_prepared(item.id, prepared)
        ready = WaitingMessage(item.id, item.seq, item.message, prepared, item.first_tried_at)
        if not prepared.text.strip() and not prepared.head:
            self._set_aside(look, [ready], Drop("nothing readable in it"))
            return None
        return ready

    def _deliver(self, look: _Pass, group: Group) -> bool:
        """Send one group. False when its outcome is unknown: then its lane waits."""
        look.acted = True
        try:
            request = compose(group)
        except Exception as crash:  # noqa: BLE001 - as above
            self._park_culprits(look, group, _crash("compose", crash))
            return True
        now = self._clock()
        delivery = self._delivery(look, list(group.messages), request.body, request.started_at, now)
        self._deliveries.begin(look.lease, delivery, seq=group.messages[0].seq, now=now)
        started = time.monotonic()
        error: OmiError | None = None
        try:
            self._call(delivery)
        except OmiError as failure:
            error = failure
        except Exception as crash:  # noqa: BLE001 - any other exception is a decision too
            attempt = Attempt(now, "crash", None, round(time.monotonic() - started, 3))
            self._apply(look, delivery, Park(_crash("call", crash)), attempt)
            return True
        seconds = round(time.monotonic() - started, 3)
        attempt = Attempt(now, error.reason if error else "accepted", error.status if error else 200, seconds)
        decision = decide(error, self._situation(look, group), self._rules)
        self._apply(look, delivery, decision, attempt)
        return not isinstance(decision, Reconcile)

    def _call(self, delivery: Delivery) -> None:
        if delivery.lane.kind is Kind.MEMORIES:
            self._omi.create_memories(delivery.uid, delivery.body)
        else:
            self._omi.create_conversation(delivery.uid, delivery.body)

    def _situation(self, look: _Pass, group: Group) -> Situation:
        now = self._clock()
        tries = {name: gate.tries for name, gate in look.gates.items()}
        return Situation(
            now=now,
            kind=group.lane.kind,
            first_tried_at=min((item.first_tried_at or now for item in group.messages), default=now),
            tries=tries.get(group.lane.kind.value, 0),
            tries_for_all=tries.get("all", 0),
            chance=self._chance(),
        )

    # --- recording ----------------------------------------------------------------------------------------

    def _apply(self, look: _Pass, delivery: Delivery, decision: Decision, attempt: Attempt) -> None:
        """Act on a decision: gates and installation first, then the record, so that a crash between repeats safely."""
        match decision:
            case Done(note=note):
                self._after_success(look, delivery)
                self._record(look, delivery, "done", note, attempt)
            case Retry(at=at, reason=reason, scope=scope):
                if scope is not None:
                    self._close_gate(look, delivery, decision, scope)
                untried = scope in (GateScope.UID, GateScope.ALL)
                self._record(look, delivery, "withdrawn", reason, attempt, until=at, untried=untried)
            case Reconcile(look_at=look_at, reason=reason):
                self._record(look, delivery, "unknown", reason, attempt, until=look_at)
            case Park(reason=reason):
                self._record(look, delivery, "parked", reason, attempt)
            case Drop(reason=reason):
                self._record(look, delivery, "dropped", reason, attempt)
        if getattr(decision, "alarm", False):
            log.error("alarm", reason=attempt.outcome, status=attempt.status, delivery=delivery.id)
            self._health.count("alarms")

    def _record(
        self,
        look: _Pass,
        delivery: Delivery,
        state: str,
        reason: str,
        attempt: Attempt,
        *,
        until: datetime | None = None,
        untried: bool = False,
    ) -> None:
        event = {
            "event": state,
            "kind": delivery.lane.kind,
            "outcome": attempt.outcome,
            "status": attempt.status,
            "seconds": attempt.seconds,
            "reason": reason,
            "tried_at": attempt.at,
        } | ({"until": until} if until else {})
        now = self._clock()
        self._deliveries.settle(
            look.lease, delivery, state, reason=reason, event=event, now=now, look_at=until, untried=untried
        )
        self._health.count(f"deliveries:{state}")
        log.info(
            "delivery",
            state=state,
            delivery=delivery.id,
            uid=delivery.uid,
            kind=delivery.lane.kind.value,
            messages=len(delivery.message_ids),
            reason=reason,
            status=attempt.status,
            seconds=attempt.seconds,
        )

    def _after_success(self, look: _Pass, delivery: Delivery) -> None:
        if any(name in look.gates for name in ("all", "uid", delivery.lane.kind.value)):
            self._gates.reset(delivery.uid, delivery.lane.kind)
            for name in ("all", "uid", delivery.lane.kind.value):
                look.gates.pop(name, None)
        if look.installation and look.installation.state is InstallationState.LEFT:
            self._installations.mark_enabled(delivery.uid)

    def _close_gate(self, look: _Pass, delivery: Delivery, decision: Retry, scope: GateScope) -> None:
        now = self._clock()
        tries = self._gates.close(
            scope, delivery.uid, delivery.lane.kind, until=decision.at, reason=decision.reason, now=now
        )
        name = delivery.lane.kind.value if scope is GateScope.KIND else scope.value
        look.gates[name] = Gate(decision.at, decision.reason, tries)
        if decision.left:
            self._installations.mark_left(delivery.uid, now=now)

    # --- what is not sent ---------------------------------------------------------------------------------

    def _has_left_for_good(self, look: _Pass) -> bool:
        found = look.installation
        return bool(
            found and found.left_at and look.view.waiting and self._clock() - found.left_at > self._rules.left_retention
        )

    def _drop_all(self, look: _Pass) -> None:
        self._set_aside(look, list(look.view.waiting), Drop("the user left and did not return in time"))

    def _park_culprits(self, look: _Pass, group: Group, reason: str) -> None:
        """Park the messages that make composing fail; the others of the group leave with the next pass."""
        culprits = [item for item in group.messages if not _composes(replace(group, messages=(item,)))]
        self._set_aside(look, culprits or list(group.messages), Park(reason))

    def _set_aside(self, look: _Pass, items: list[WaitingMessage], decision: Park | Drop) -> None:
        """Park or drop messages without a call, through a delivery like any other, so that it is all on record."""
        look.acted = True
        now = self._clock()
        delivery = self._delivery(look, items, {}, min(said_at(item.message) for item in items), now)
        self._deliveries.begin(look.lease, delivery, seq=items[0].seq, now=now)
        self._apply(look, delivery, decision, Attempt(now, "not sent"))

    def _delivery(
        self,
        look: _Pass,
        items: list[WaitingMessage],
        body: dict[str, object],
        started_at: datetime,
        now: datetime,
    ) -> Delivery:
        first = items[0]
        if first.prepared is None:
            first = WaitingMessage(first.id, first.seq, first.message, PreparedText("", Kind.CONVERSATION))
        return Delivery(
            id=f"d{secrets.token_hex(9)}",
            uid=look.lease.uid,
            lane=lane_of(first),
            message_ids=tuple(item.id for item in items),
            body=body,
            started_at=started_at,
            begun_at=now,
        )


def _closed_until(gates: Mapping[str, Gate]) -> dict[Kind, datetime]:
    """Per kind, the latest of the gates that concern it."""
    until: dict[Kind, datetime] = {}
    for kind in Kind:
        times = [gates[name].until for name in ("all", "uid", kind.value) if name in gates]
        if times:
            until[kind] = max(times)
    return until


def _gate_until(gates: Mapping[str, Gate], kind: Kind, now: datetime) -> datetime:
    return max(now, _closed_until(gates).get(kind, now))


def _composes(group: Group) -> bool:
    try:
        compose(group)
    except Exception:  # noqa: BLE001 - whatever it raises, it does not compose
        return False
    return True


def _crash(where: str, error: BaseException) -> str:
    """Type and place of a crash; never its text, which may repeat what somebody wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].name}:{frames[-1].lineno}" if frames else "?"
    log.error("crash", where=where, error=type(error).__name__, place=place)
    return f"crash in {where}: {type(error).__name__} at {place}"
