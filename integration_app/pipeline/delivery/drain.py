"""Empty one outbox: the one thing a worker does.

The life of a drain: take the lease → settle what has an unknown outcome → prepare → group → send each group that is
complete and whose gate is open → schedule the next drain. If a worker dies in between, the lease runs out and the next
drain begins at the top.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from integration_app import logs
from integration_app.errors import LeaseLost, NotYet
from integration_app.model import (
    Attempt,
    Clock,
    Delivery,
    Done,
    Drop,
    GateScope,
    Hold,
    Kind,
    Lane,
    Reason,
    Reconcile,
    WaitingMessage,
)
from integration_app.omi import OmiError
from integration_app.pipeline.delivery.drain_pass import DrainPass, closed_until
from integration_app.pipeline.delivery.group import plan
from integration_app.pipeline.delivery.outcomes import Outcomes
from integration_app.pipeline.delivery.read_back.after_gap import AfterGap
from integration_app.pipeline.delivery.read_back.reconcile import reconcile
from integration_app.pipeline.delivery.sending import Sending
from integration_app.pipeline.delivery.texts import Texts
from integration_app.pipeline.delivery.user_rules import paced
from integration_app.pipeline.rules import Rules
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.health import Health
from integration_app.store.outbox import Outbox
from integration_app.store.quarantine import Quarantine
from integration_app.store.rate_limiter import RateLimiter
from integration_app.store.repair import PUT_ASIDE, Repair

log = logs.get(__name__)

SNAPSHOTS_MAX = 3
"""Of one pass over a backlog: each reads up to a thousand messages."""
PAUSED_SEQ = 2**53
"""No message is newer: a paused outbox is not drained until its owner resumes, or the pause is over."""
PAUSE_OVER = "Your Omi Inbox was paused for so long that it goes on now; what waited is on its way."


class Drain:
    def __init__(
        self,
        *,
        outbox: Outbox,
        due: DueSet,
        deliveries: Deliveries,
        limiter: RateLimiter,
        texts: Texts,
        after_gap: AfterGap,
        quarantine: Quarantine,
        repair: Repair,
        health: Health,
        sending: Sending,
        outcomes: Outcomes,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._due = due
        self._deliveries = deliveries
        self._limiter = limiter
        self._texts = texts
        self._after_gap = after_gap
        self._quarantine = quarantine
        self._repair = repair
        self._health = health
        self._sending = sending
        self._outcomes = outcomes
        self._rules = rules
        self._clock = clock

    def run(self, uid: str) -> None:
        """Send what can be sent of one uid's outbox. Does nothing while another worker holds it."""
        salt = secrets.token_hex(4)
        try:
            self._run(uid, salt)
        except Exception as error:  # a record that cannot be read must not stop its user for good
            if self._repair.is_outage(error):
                raise
            self._health.failing(uid, now=self._clock())
            spoilt = self._repair.of(uid)
            log.error("a drain failed", uid=uid, crash=logs.crash("drain", error), put_aside=len(spoilt))
            if not spoilt:
                raise
            self._health.alarm(PUT_ASIDE, now=self._clock())
            self._run(uid, salt)

    def _run(self, uid: str, salt: str) -> None:
        claimed = self._outbox.claim(uid, now=self._clock(), salt=salt)
        if claimed is None:
            return
        try:
            self._drain(DrainPass(*claimed))
        except LeaseLost:
            log.warning("lease lost", uid=uid)

    def _drain(self, run: DrainPass) -> None:
        give_up_at = time.monotonic() + self._rules.drain_budget.total_seconds()
        while True:
            if (until := self._paused_until(run)) is not None:
                self._due.release(run.lease, next_at=until, last_seq=PAUSED_SEQ, now=self._clock())
                return
            self._pass(run, give_up_at)
            if run.released:
                return
            self._texts.save_rest(run)
            next_at: datetime | None
            if not run.acted:
                next_at = min(run.wakes, default=None)
            elif time.monotonic() >= give_up_at:
                next_at = self._clock()
            else:
                run = DrainPass(run.lease, self._outbox.refresh(run.lease))
                continue
            self._due.release(run.lease, next_at=next_at, last_seq=_seen(run), now=self._clock())
            return

    def _paused_until(self, run: DrainPass) -> datetime | None:
        """When the user's pause ends by itself; None: there is none, or it is over and they were told."""
        installation, now = run.installation, self._clock()
        if installation is None or not installation.preferences.paused:
            return None
        since = installation.preferences.paused_at
        if since is None:  # a pause of before 0.4
            since = now
            self._outcomes.prefer(run, replace(installation.preferences, paused_at=now))
        if since + self._rules.pause_max > now:
            return since + self._rules.pause_max
        if not self._outcomes.prefer(run, replace(installation.preferences, paused=False, paused_at=None)):
            return now  # the user has changed something just now: look again
        with suppress(OmiError):
            self._sending.omi.notify(run.lease.uid, PAUSE_OVER)
        return None

    def _pass(self, run: DrainPass, give_up_at: float) -> None:
        busy = {delivery.lane for delivery in run.snapshot.open if not self._settle_open(run, delivery, give_up_at)}
        if run.acted:
            return  # what was settled may wait again: look anew, or a newer text could overtake it
        for _ in range(SNAPSHOTS_MAX):  # what lies further behind is looked at when the gate in front of it opens
            self._send_ready(run, busy, give_up_at)
            if run.acted or run.blocked or not run.snapshot.more:
                return
            # everything so far waits; what lies behind it may be of another lane
            self._texts.save_rest(run)
            run.snapshot = self._outbox.refresh(run.lease, after=run.snapshot.last_seq)

    def _send_ready(self, run: DrainPass, busy: set[Lane], give_up_at: float) -> None:
        waiting = self._after_gap.sift(run, self._readable(run, give_up_at))
        rules = paced(self._rules, run.preferences, is_first=run.snapshot.is_first)
        groups = plan(waiting, closed_until(run.gates), rules)
        # the memories that Omi made of a text are known by their time alone: no others may come between
        unclear = {lane.kind for lane in busy if lane.kind is Kind.MEMORIES}
        for group in groups:
            if group.lane in busy or group.lane.kind in unclear:
                continue
            now = self._clock()
            ready_at = max(group.closes_at, run.gate_until(group.lane.kind, now))
            if ready_at > now:
                run.wakes.append(ready_at)
                busy.add(group.lane)  # retries never overtake, and nothing overtakes them
            elif time.monotonic() < give_up_at:
                is_last = group is groups[-1] and not (busy or run.wakes or run.snapshot.more)
                if not self._sending.send(run, group, is_last=is_last):
                    busy.add(group.lane)
            else:
                run.acted = True
                return

    def _readable(self, run: DrainPass, give_up_at: float) -> list[WaitingMessage]:
        """What waits, with its text; up to the first message that is not readable yet."""
        found: list[WaitingMessage] = []
        for item in self._still_wanted(run):
            if time.monotonic() >= give_up_at:
                run.acted = True  # the rest in the next drain
                break
            try:
                ready = self._prepared(run, item)
            except NotYet as later:
                run.blocked = True
                run.wakes.append(self._clock() + timedelta(seconds=later.seconds))
                break
            if ready:
                found.append(ready)
        return found

    def _prepared(self, run: DrainPass, item: WaitingMessage) -> WaitingMessage | None:
        """The message with its text; None when it has none, or is not to be forwarded: then it is set aside."""
        ready, ending = self._texts.ready(run, item)
        if isinstance(ending, Hold):
            self._quarantine.hold(run.lease, item.id, now=self._clock())
            run.acted = True
            return None
        if ending is not None:
            self._sending.set_aside(run, [ready], ending)
            return None
        return ready

    def _still_wanted(self, run: DrainPass) -> list[WaitingMessage]:
        """What waits, without what was kept long enough for a user who left; that is dropped."""
        waiting = list(run.snapshot.waiting)
        left_at = run.installation.left_at if run.installation else None
        gate = run.gates.get(GateScope.UID.value)
        if left_at is None or gate is None or gate.until <= self._clock():
            return waiting  # it is time to try again: the user may be back
        oldest = self._clock() - self._rules.left_retention
        gone = [item for item in waiting if max(item.message.received_at, left_at) < oldest]
        if gone:
            self._sending.set_aside(run, gone, Drop(Reason.USER_LEFT))
        return [item for item in waiting if item not in gone]

    def _settle_open(self, run: DrainPass, delivery: Delivery, give_up_at: float) -> bool:
        """Find out what became of a delivery of unknown outcome. True when it is settled, and its lane free again."""
        now = self._clock()
        if delivery.seen:
            self._outcomes.apply(run, delivery, Done(Reason.SEEN), Attempt(now, "seen in Omi", None, read_back=True))
            run.acted = True
            return True
        look_at = max(delivery.look_at or now, run.gate_until(delivery.lane.kind, now))
        if look_at > now:
            run.wakes.append(look_at)
            return False
        if time.monotonic() >= give_up_at:
            run.wakes.append(now)
            return False
        later = self._limiter.acquire(delivery.uid, delivery.lane.kind, now=now)
        if later:
            run.wakes.append(later)
            return False
        self._due.renew(run.lease, now=now)
        started = time.monotonic()
        situation = self._sending.situation(run, delivery)
        settles_in = self._deliveries.settles_in(delivery)  # asked first: what turns up meanwhile is found
        decision, called, error = reconcile(delivery, self._sending.omi, self._rules, situation, settles_in)
        attempt = Attempt(now, "read back from Omi", None, round(time.monotonic() - started, 3), read_back=True)
        self._outcomes.apply(run, delivery, decision, attempt)
        if called:
            self._outcomes.heard(run, error, delivery.uid, wrote=False)
        if isinstance(decision, Reconcile):
            run.wakes.append(decision.look_at)
            return False
        run.acted = True
        return True


def _seen(run: DrainPass) -> int:
    """The newest message that this pass need not look at again: all of them where it waits for something."""
    return max(run.snapshot.last_seq, run.snapshot.newest if run.wakes and not run.acted else 0)
