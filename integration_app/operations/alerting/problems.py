"""What is wrong with this deployment now: one list, for `/readyz` and for alerts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from integration_app.bootstrap import Services
from integration_app.model import Reason
from integration_app.operations.overview import WORKER_SEEN
from integration_app.operations.providers import cure
from integration_app.providers import registry
from integration_app.providers.base import Outcome

LATE = timedelta(seconds=30)
FAILED_LATELY = timedelta(minutes=10)
REFUSED_LATELY = timedelta(minutes=15)
ENDPOINT_FAILING = timedelta(minutes=30)
REFUSALS_MIN = 5
"""So many in a quarter of an hour: one may be a stranger's."""
RETENTION_LATE = timedelta(hours=1)
NOT_OURS = "this Redis is empty, or another one"
_OF_GATES = {
    Reason.KEY_REFUSED: "make a new key in the Omi app, set it, restart, omi-inbox resume --everybody",
    Reason.CAPABILITY_MISSING: "give the app that action in the Omi app, then omi-inbox resume --everybody",
}
_SOON, _DAY = timedelta(hours=4), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` is the same as long as the cause is; `what` may carry figures; `cure` is what to do, where `what` does not
    say it. What passes within `patience` is told to nobody; it is told once more every `again`.
    """

    key: str
    what: str
    cure: str = ""
    patience: timedelta = timedelta(0)
    again: timedelta = _SOON
    urgent: bool = False
    """Messages are refused, or nothing goes out: told in quiet hours too."""

    @property
    def words(self) -> str:
        return f"{self.what} → {self.cure}" if self.cure else self.what


@dataclass(frozen=True, slots=True)
class Standing:
    """`written`: Redis takes a write. `workers`: processes that gave a sign of life lately. `late`: the oldest due
    outbox.
    """

    written: bool
    ours: bool
    workers: int
    late: timedelta
    problems: tuple[Problem, ...]

    @property
    def takes_messages(self) -> bool:
        return self.written and self.ours


def standing(found: Services) -> Standing:
    """What concerns everybody's messages. Raises `RedisError` when Redis is away."""
    now = found.clock()
    oldest = found.due.oldest()
    written, ours = found.health.write_and_read_back(), found.identity.is_ours()
    workers = found.health.workers(since=now - WORKER_SEEN)
    late = max(timedelta(0), now - oldest) if oldest else timedelta(0)
    problems: list[Problem] = []
    if not ours:
        problems.append(Problem("other redis", NOT_OURS, "omi-inbox init makes it ours", urgent=True))
    elif wrong := found.identity.misplaced():
        what, _, cure_ = wrong.partition(" → ")
        problems.append(Problem("other redis", what, cure_, urgent=True))
    for sentence in found.health.away():
        what, _, cure_ = sentence.partition(" → ")
        problems.append(Problem(f"redis away {what[:12]}", what, cure_, timedelta(seconds=20), urgent=True))
    problems += _redis(found)
    if late > LATE:
        words = f"the oldest due outbox is {late.total_seconds():.0f} s late"
        problems.append(
            Problem("late", words, "omi-inbox outboxes; more workers or slots?", timedelta(seconds=30), urgent=True)
        )
    if failing := found.health.failed_since(now - FAILED_LATELY):
        words = f"drains of {len(failing)} users failed in the last ten minutes"
        problems.append(Problem("drains", words, "the workers' logs say why"))
    if not workers:
        words = f"no worker was seen in the last {WORKER_SEEN.total_seconds():.0f} seconds"
        problems.append(Problem("no worker", words, "start one: messages are taken in and wait", urgent=True))
    if found.jobs.is_apart and not found.jobs.answers():
        words = "the Redis of the queue does not answer"
        cure = "is it running, and RQ_REDIS_URL right? Messages are taken in and wait"
        problems.append(Problem("queue", words, cure, timedelta(seconds=30), urgent=True))
    problems += _gates(found, now)
    if not written:
        problems.append(
            Problem(
                "no write", "Redis did not give back what was written", "its log, its disk, its memory", urgent=True
            )
        )
    return Standing(written, ours, workers, late, tuple(problems))


def to_look_at(found: Services) -> Iterator[Problem]:
    """What stands still for some only, and needs an operator all the same."""
    now = found.clock()
    if parked := found.dead_letters.size():
        words = f"{parked} {'delivery is' if parked == 1 else 'deliveries are'} parked"
        yield Problem("parked", words, "omi-inbox dead-letters says why; replay or drop them", again=_DAY)
    swept = found.health.swept_at()
    if swept and now - swept > RETENTION_LATE:
        hours = (now - swept).total_seconds() / 3600
        yield Problem("retention", f"retention last ran {hours:.0f} hours ago", "the workers' logs say why")
    for endpoint in found.endpoints.all():
        if not endpoint.is_on and endpoint.why:
            words = f"the webhook endpoint {endpoint.id} is off: {endpoint.why}"
            cure_ = f"omi-inbox webhooks show {endpoint.id}; mend it, then webhooks on {endpoint.id}"
            yield Problem(f"endpoint {endpoint.id}", words, cure_, again=_DAY)
        elif endpoint.failing_since and now - endpoint.failing_since > ENDPOINT_FAILING:
            words = f"the webhook endpoint {endpoint.id} takes nothing ({endpoint.last_outcome})"
            yield Problem(f"endpoint {endpoint.id}", words, f"omi-inbox webhooks show {endpoint.id}", again=_DAY)
    for name in registry.specs():
        rows = [row for row in found.refusals.latest(name, now=now) if now - row.at < REFUSED_LATELY]
        bad = [row for row in rows if row.outcome in (Outcome.BAD_SIGNATURE, Outcome.MALFORMED)]
        if len(bad) >= REFUSALS_MIN:
            words = f"{name} was refused {len(bad)} times in a quarter of an hour ({bad[0].outcome})"
            yield Problem(f"refused {name}", words, cure(found, name, bad[0].outcome))


def _redis(found: Services) -> Iterator[Problem]:
    settings, facts = found.settings, found.health.facts()
    risks = facts.risks(ack_replicas=settings.ack_replicas, has_sentinels=settings.has_sentinels)
    for sentence in (*facts.mistakes(), *risks):
        what, _, cure_ = sentence.partition(" → ")
        cause = re.sub(r"[^a-z-]+", " ", sentence.partition(":")[0].lower()).strip()  # without figures
        yield Problem(f"redis {cause}", what, cure_, timedelta(minutes=1), _DAY, urgent="all is refused" in what)


def _gates(found: Services, now: datetime) -> Iterator[Problem]:
    for name, gate in found.gates.of_all().items():
        if gate.until > now:
            words = f"everybody waits until {gate.until:%H:%M:%S} UTC: {gate.why}"
            cure_ = _OF_GATES.get(gate.reason, "omi-inbox resume --everybody opens it now, before its time")
            yield Problem(f"gate {name} {gate.reason.key}", words, cure_, timedelta(seconds=30), urgent=True)
