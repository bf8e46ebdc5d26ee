"""Acts on decisions: closes and opens gates, settles deliveries, counts, raises an alarm once.

Gates and installation come first, the record last: a crash in between repeats the step and changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.model import (
    Attempt,
    Clock,
    Decision,
    Delivery,
    DeliveryState,
    Done,
    Drop,
    Gate,
    GateScope,
    InstallationState,
    Kind,
    Park,
    Preferences,
    Reason,
    Reconcile,
    Retry,
    Settled,
    Tell,
    bucket,
    why,
)
from integration_app.omi import AppMisconfigured, AppNotEnabled, BadCredentials, OmiError, RateLimited, Unreachable
from integration_app.pipeline.delivery.drain_pass import DrainPass, gate_name, gate_names
from integration_app.pipeline.delivery.policy import (
    is_outage,
    is_passing,
    limit_gate,
    outage_gate,
    proves_us,
)
from integration_app.pipeline.delivery.user_rules import next_daily, zone_of
from integration_app.store.deliveries import NO_SIDE_EFFECTS, Deliveries, SideEffects
from integration_app.store.gates import Gates
from integration_app.store.health import Health
from integration_app.store.installations import Installations
from integration_app.store.notices import Notices
from integration_app.store.quota import Quotas
from integration_app.store.rate_limiter import RateLimiter

log = logs.get(__name__)

NOT_DELIVERED = "Something that you sent could not be delivered to your Omi. Your inbox's page says what."
ARRIVED = "What you sent is in your Omi."
PROBLEMS_EVERY, ARRIVALS_EVERY = timedelta(hours=1), timedelta(minutes=10)
"""Omi shows nine notifications an hour, and codes for signing in are among them."""


class Outcomes:
    def __init__(
        self,
        *,
        deliveries: Deliveries,
        gates: Gates,
        installations: Installations,
        health: Health,
        limiter: RateLimiter,
        quotas: Quotas,
        notices: Notices,
        clock: Clock,
    ) -> None:
        self._deliveries = deliveries
        self._gates = gates
        self._installations = installations
        self._health = health
        self._limiter = limiter
        self._quotas = quotas
        self._notices = notices
        self._clock = clock

    def heard(self, run: DrainPass, error: OmiError | None, uid: str, *, wrote: bool) -> None:
        """Note whether Omi is there at all, after every call. Enough calls in a row unanswered: everybody waits.

        A read that succeeds does not prove that writing works, so it ends no such streak.
        """
        cause = _cause(error)
        if cause:
            self._health.count(f"causes:{cause}", now=self._clock())
        if isinstance(error, RateLimited) and wrote and self._limits_everybody(run, error, uid):
            return
        if not is_outage(error):
            self._limiter.answered(ends_failures=wrote)
            if wrote and proves_us(error) and GateScope.ALL.value in run.gates:
                del run.gates[GateScope.ALL.value]
                self._gates.open_everybody()
            return
        failures = self._limiter.failed(uid)
        gate = run.gates.get(GateScope.ALL.value)
        until = outage_gate(self._clock(), failures.calls, failures.uids, gate.tries if gate else 0)
        if until:
            decision = Retry(until, Reason.OMI_AWAY, GateScope.ALL, alarm=True)
            self._close(run, GateScope.ALL, uid, decision, None)

    def _limits_everybody(self, run: DrainPass, error: RateLimited, uid: str) -> bool:
        """Whether a 429 is everybody's; then everybody waits, and one goes first."""
        gate = run.gates.get(GateScope.ALL.value)
        tries = gate.tries if gate and gate.reason is Reason.RATE_LIMIT_FOR_ALL else 0
        refused = max(run.tries(GateScope.KIND, kind) for kind in Kind)
        if not tries and is_passing(error.retry_after, refused):
            return False
        until = limit_gate(self._clock(), self._limiter.limited(uid).uids, tries)
        if until is None:
            return False
        self._close(run, GateScope.ALL, uid, Retry(until, Reason.RATE_LIMIT_FOR_ALL, GateScope.ALL), None)
        return True

    def called(self, delivery: Delivery, error: OmiError | None) -> None:
        """Note what a write has used up, and the limit where Omi named it."""
        uid, kind = delivery.uid, delivery.lane.kind
        if isinstance(error, RateLimited):
            if error.limit is not None:
                self._quotas.learn(uid, kind, error.limit, now=self._clock())
        elif not isinstance(error, Unreachable):
            self._quotas.called(uid, kind)

    def delivered(
        self, run: DrainPass, delivery: Delivery, attempt: Attempt, *, arrived_at: datetime, is_last: bool
    ) -> None:
        """Omi took it: all that follows from that in one step. Raises `LeaseLost`.

        `arrived_at`: its oldest message. `is_last`: nothing else is to be done in this pass, so the outbox is given
        back too.
        """
        self._succeeded(run, delivery)
        last_seq = run.snapshot.last_seq if is_last else None
        waited = max(0.0, (self._clock() - arrived_at).total_seconds())
        counts = (f"seconds:call:{bucket(attempt.seconds or 0.0)}", f"seconds:arrival:{bucket(waited)}")
        effects = SideEffects(counts=counts, used=True, answered=True, last_seq=last_seq)
        self._record(run, delivery, DeliveryState.DONE, Done(), attempt, effects=effects)
        run.released = is_last

    def apply(self, run: DrainPass, delivery: Delivery, decision: Decision, attempt: Attempt) -> None:
        """Carry out a decision about a delivery. Raises `LeaseLost`."""
        match decision:
            case Done():
                self._succeeded(run, delivery)
                self._record(run, delivery, DeliveryState.DONE, decision, attempt)
            case Retry(at=at, scope=scope):
                if scope is not None:
                    self._close(run, scope, delivery.uid, decision, delivery)
                untried = scope not in (GateScope.KIND, None)
                self._record(run, delivery, DeliveryState.WITHDRAWN, decision, attempt, until=at, untried=untried)
            case Reconcile(look_at=look_at, gate=gate):
                if gate is not None and gate.scope is not None:
                    self._close(run, gate.scope, delivery.uid, gate, delivery)
                self._record(run, delivery, DeliveryState.UNKNOWN, decision, attempt, until=look_at)
            case Park(alarm=alarm):
                if alarm:
                    self._alarm(why(decision))
                self._record(run, delivery, DeliveryState.PARKED, decision, attempt)
            case Drop():
                self._record(run, delivery, DeliveryState.DROPPED, decision, attempt)

    def _record(
        self,
        run: DrainPass,
        delivery: Delivery,
        state: DeliveryState,
        decision: Decision,
        attempt: Attempt,
        *,
        until: datetime | None = None,
        untried: bool = False,
        effects: SideEffects = NO_SIDE_EFFECTS,
    ) -> None:
        event = Settled(
            at=self._clock(),
            uid=delivery.uid,
            state=state,
            delivery=delivery.id,
            kind=delivery.lane.kind,
            outcome=attempt.outcome,
            status=attempt.status,
            seconds=attempt.seconds,
            reason=why(decision),
            cause=decision.reason.key,
            tried_at=attempt.at,
            until=until,
        )
        self._deliveries.settle(
            run.lease,
            delivery,
            event,
            look_at=until,
            untried=untried,
            settles=not attempt.read_back,
            effects=effects,
        )
        self._tell(run, state, len(delivery.message_ids))
        log.info(
            "delivery",
            state=state.value,
            delivery=delivery.id,
            uid=delivery.uid,
            kind=delivery.lane.kind.value,
            messages=len(delivery.message_ids),
            reason=why(decision),
            status=attempt.status,
            seconds=attempt.seconds,
        )

    def _tell(self, run: DrainPass, state: DeliveryState, count: int) -> None:
        """What the user wants to be shown. The outcome is recorded: no fault in this may undo it."""
        wants = run.installation.preferences.tell if run.installation else Tell.NOTHING
        if state is DeliveryState.PARKED and wants is not Tell.NOTHING:
            self._notices.tell_once(run.lease.uid, NOT_DELIVERED, each=PROBLEMS_EVERY)
        elif state is DeliveryState.DONE and wants is Tell.ARRIVALS:
            self._notices.tell_once(run.lease.uid, ARRIVED, each=ARRIVALS_EVERY)
        elif state is DeliveryState.DONE and wants is Tell.DAILY:
            at = next_daily(self._clock(), run.preferences.daily_hour, zone_of(run.preferences))
            self._notices.count_arrival(run.lease.uid, count, tell_at=at)

    def _succeeded(self, run: DrainPass, delivery: Delivery) -> None:
        names = gate_names(delivery.lane.kind)
        if any(name in run.gates for name in names):
            self._gates.reset(delivery.uid, delivery.lane.kind)
            for name in names:
                run.gates.pop(name, None)
        if run.installation and run.installation.state is InstallationState.LEFT:
            self._installations.mark_enabled(delivery.uid)

    def prefer(self, run: DrainPass, preferences: Preferences) -> bool:
        """Keep what has changed of how this user wants it, in this pass too. False where the user was faster."""
        before = run.installation
        if before is None or not self._installations.change_preferences(before.uid, before.preferences, preferences):
            return False
        run.snapshot = replace(run.snapshot, installation=replace(before, preferences=preferences))
        return True

    def close(self, run: DrainPass, decision: Retry, kind: Kind) -> None:
        """Close the gate that a read without a delivery ran into."""
        if decision.scope is not None:
            self._close_gate(run, decision.scope, run.lease.uid, decision, kind)

    def _close(self, run: DrainPass, scope: GateScope, uid: str, decision: Retry, delivery: Delivery | None) -> None:
        self._close_gate(run, scope, uid, decision, delivery.lane.kind if delivery else None)

    def _close_gate(self, run: DrainPass, scope: GateScope, uid: str, decision: Retry, kind: Kind | None) -> None:
        now = self._clock()
        tries = self._gates.close(scope, uid, kind, decision, now=now)
        name = gate_name(scope, kind) if kind else scope.value
        run.gates[name] = Gate(decision.at, decision.reason, why(decision), tries)
        if decision.left:
            self._installations.mark_left(uid, now=now)
        if decision.alarm and tries == 1:  # one cause, one alarm: the tries after it find the same cause
            self._alarm(why(decision))

    def _alarm(self, reason: str) -> None:
        self._health.alarm(reason, now=self._clock())


def _cause(error: OmiError | None) -> str | None:
    """Where a failure comes from: ours (key, app), the user (left), or Omi (away, failing)."""
    if isinstance(error, BadCredentials | AppMisconfigured):
        return "ours"
    if isinstance(error, AppNotEnabled):
        return "user left"
    return "omi" if is_outage(error) else None
