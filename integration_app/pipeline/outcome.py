"""Acts on decisions: closes and opens gates, settles deliveries, counts, raises an alarm once.

Gates and installation come first, the record last: a crash in between repeats the step and changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from integration_app import logs
from integration_app.model import (
    Attempt,
    Clock,
    Decision,
    Delivery,
    Done,
    Drop,
    Gate,
    GateScope,
    InstallationState,
    Kind,
    Park,
    Reconcile,
    Retry,
)
from integration_app.omi import AppMisconfigured, AppNotEnabled, BadCredentials, OmiError, RateLimited, Unreachable
from integration_app.pipeline.look import Look, gate_name, gate_names
from integration_app.pipeline.policy import (
    LIMITS_EVERYBODY,
    is_outage,
    is_passing,
    limit_gate,
    outage_gate,
    proves_us,
)
from integration_app.store.deliveries import NOTHING_ELSE, Aftermath, Deliveries
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.installations import Installations
from integration_app.store.quota import Quotas
from integration_app.store.traffic import Traffic

log = logs.get(__name__)


class Outcomes:
    def __init__(
        self,
        *,
        deliveries: Deliveries,
        gates: Gates,
        installations: Installations,
        health: Health,
        traffic: Traffic,
        quotas: Quotas,
        clock: Clock,
    ) -> None:
        self._deliveries = deliveries
        self._gates = gates
        self._installations = installations
        self._health = health
        self._traffic = traffic
        self._quotas = quotas
        self._clock = clock

    def heard(self, look: Look, error: OmiError | None, uid: str, *, wrote: bool) -> None:
        """Note whether Omi is there at all, after every call. Enough calls in a row unanswered: everybody waits.

        A read that succeeds does not prove that writing works, so it ends no such row.
        """
        cause = _cause(error)
        if cause:
            self._health.count(f"causes:{cause}", now=self._clock())
        if isinstance(error, RateLimited) and wrote and self._limits_everybody(look, error, uid):
            return
        if not is_outage(error):
            self._traffic.answered(ends_failures=wrote)
            if wrote and proves_us(error) and GateScope.ALL.value in look.gates:
                del look.gates[GateScope.ALL.value]
                self._gates.open_everybody()
            return
        failures = self._traffic.failed(uid)
        gate = look.gates.get(GateScope.ALL.value)
        until = outage_gate(self._clock(), failures.calls, failures.uids, gate.tries if gate else 0)
        if until:
            reason = "Omi does not answer"
            self._close(look, GateScope.ALL, uid, Retry(until, reason, GateScope.ALL, alarm=True), None)

    def _limits_everybody(self, look: Look, error: RateLimited, uid: str) -> bool:
        """Whether a 429 is everybody's; then everybody waits, and one goes first."""
        gate = look.gates.get(GateScope.ALL.value)
        tries = gate.tries if gate and gate.reason == LIMITS_EVERYBODY else 0
        refused = max(look.tries(GateScope.KIND, kind) for kind in Kind)
        if not tries and is_passing(error.retry_after, refused):
            return False
        until = limit_gate(self._clock(), self._traffic.limited(uid).uids, tries)
        if until is None:
            return False
        self._close(look, GateScope.ALL, uid, Retry(until, LIMITS_EVERYBODY, GateScope.ALL), None)
        return True

    def called(self, delivery: Delivery, error: OmiError | None) -> None:
        """Note what a write has used up, and the limit where Omi named it."""
        uid, kind = delivery.uid, delivery.lane.kind
        if isinstance(error, RateLimited):
            if error.limit is not None:
                self._quotas.learn(uid, kind, error.limit, now=self._clock())
        elif not isinstance(error, Unreachable):
            self._quotas.called(uid, kind)

    def delivered(self, look: Look, delivery: Delivery, attempt: Attempt, *, is_last: bool) -> None:
        """Omi took it: all that follows from that in one step. Raises `LeaseLost`.

        `is_last`: nothing else is to be done in this look, so the outbox is given back too.
        """
        self._succeeded(look, delivery)
        last_seq = look.view.last_seq if is_last else None
        aftermath = Aftermath(used=True, answered=True, last_seq=last_seq)
        self._record(look, delivery, "done", "", attempt, aftermath=aftermath)
        look.released = is_last

    def apply(self, look: Look, delivery: Delivery, decision: Decision, attempt: Attempt) -> None:
        """Carry out a decision about a delivery. Raises `LeaseLost`."""
        match decision:
            case Done(note=note):
                self._succeeded(look, delivery)
                self._record(look, delivery, "done", note, attempt)
            case Retry(at=at, reason=reason, scope=scope):
                if scope is not None:
                    self._close(look, scope, delivery.uid, decision, delivery)
                untried = scope not in (GateScope.KIND, None)
                self._record(look, delivery, "withdrawn", reason, attempt, until=at, untried=untried)
            case Reconcile(look_at=look_at, reason=reason, gate=gate):
                if gate is not None and gate.scope is not None:
                    self._close(look, gate.scope, delivery.uid, gate, delivery)
                self._record(look, delivery, "unknown", reason, attempt, until=look_at)
            case Park(reason=reason, alarm=alarm):
                if alarm:
                    self._alarm(reason)
                self._record(look, delivery, "parked", reason, attempt)
            case Drop(reason=reason):
                self._record(look, delivery, "dropped", reason, attempt)

    def _record(
        self,
        look: Look,
        delivery: Delivery,
        state: str,
        reason: str,
        attempt: Attempt,
        *,
        until: datetime | None = None,
        untried: bool = False,
        aftermath: Aftermath = NOTHING_ELSE,
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
        self._deliveries.settle(
            look.lease,
            delivery,
            state,
            reason=reason,
            event=event,
            now=self._clock(),
            look_at=until,
            untried=untried,
            settles=not attempt.looked,
            aftermath=aftermath,
        )
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

    def _succeeded(self, look: Look, delivery: Delivery) -> None:
        names = gate_names(delivery.lane.kind)
        if any(name in look.gates for name in names):
            self._gates.reset(delivery.uid, delivery.lane.kind)
            for name in names:
                look.gates.pop(name, None)
        if look.installation and look.installation.state is InstallationState.LEFT:
            self._installations.mark_enabled(delivery.uid)

    def _close(self, look: Look, scope: GateScope, uid: str, decision: Retry, delivery: Delivery | None) -> None:
        now = self._clock()
        kind = delivery.lane.kind if delivery else None
        tries = self._gates.close(scope, uid, kind, until=decision.at, reason=decision.reason, now=now)
        name = gate_name(scope, kind) if kind else scope.value
        look.gates[name] = Gate(decision.at, decision.reason, tries)
        if decision.left:
            self._installations.mark_left(uid, now=now)
        if decision.alarm and tries == 1:  # one cause, one alarm: the tries after it find the same cause
            self._alarm(decision.reason)

    def _alarm(self, reason: str) -> None:
        log.error("alarm", reason=reason)
        self._health.count("alarms", now=self._clock())


def _cause(error: OmiError | None) -> str | None:
    """Whose doing a failure is: ours (key, app), the user's (left), or Omi's (away, failing)."""
    if isinstance(error, BadCredentials | AppMisconfigured):
        return "ours"
    if isinstance(error, AppNotEnabled):
        return "user left"
    return "omi" if is_outage(error) else None
