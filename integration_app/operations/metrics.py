"""Figures for Prometheus. They lie in Redis, so any process says the same, and no label names a user.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from integration_app.bootstrap import Services
from integration_app.model import BUCKETS, DOOR_BUCKETS
from integration_app.operations.overview import WORKER_SEEN, causes_of

_PREFIX = "omi_inbox"
_LOOKED_AT = 200
_LOOKED_EVERY = timedelta(minutes=1)
_HISTOGRAMS = {
    "door": ("door_seconds", "How long requests at our doors took.", DOOR_BUCKETS),
    "call": ("omi_call_seconds", "How long calls to Omi that it took lasted.", BUCKETS),
    "arrival": ("arrival_seconds", "From a message's arrival to Omi having taken it.", BUCKETS),
}


class Metrics:
    """A collector of prometheus-client's: `CollectorRegistry().register(Metrics(services))`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looked: tuple[datetime, tuple[dict[str, int], int]] | None = None

    def collect(self) -> Iterator[Metric]:
        counters = self._services.health.counters()
        yield from _counters(counters)
        yield from _histograms(counters)
        yield from self._gauges()

    def _of_users(self, uids: list[str], now: datetime) -> tuple[dict[str, int], int]:
        """Why messages wait, and users without quota: a look at each of many, so once a minute at the most."""
        if self._looked is None or not timedelta(0) <= now - self._looked[0] < _LOOKED_EVERY:
            self._looked = now, _looked_at(self._services, uids)
        return self._looked[1]

    def _gauges(self) -> Iterator[Metric]:
        found, now = self._services, self._services.clock()
        oldest = found.due.oldest()
        waiting = found.outbox.sizes(found.installations.uids())
        facts = found.health.facts()
        yield _gauge("messages_waiting", "Messages in all outboxes.", sum(waiting.values()))
        yield _gauge("users_waiting", "Users with messages in their outbox.", sum(map(bool, waiting.values())))
        yield _gauge("users_overdue", "Outboxes whose time has come: scale workers by it.", found.due.overdue(now=now))
        late = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
        yield _gauge("oldest_overdue_seconds", "How late the outbox is that waits longest.", late)
        yield _gauge("slots_busy", "Outboxes that a worker holds.", found.due.busy())
        yield _gauge(
            "workers",
            "Worker processes that gave a sign of life lately.",
            found.health.workers(since=now - WORKER_SEEN),
        )
        yield _gauge("installations", "Users.", len(waiting))
        yield _gauge("dead_letters", "Parked deliveries.", found.dead_letters.size())
        yield _gauge("quarantined", "Mails that are held.", found.quarantine.size())
        used = sum(one.used_memory for one in (facts, *facts.others))
        yield _gauge("redis_memory_bytes", "What Redis uses.", used)
        yield _gauge("redis_memory_max_bytes", "What Redis may use; 0 is no limit.", facts.max_memory or 0)
        yield _gauge("redis_seconds", "How long one question to Redis takes.", found.health.seconds())
        reasons = GaugeMetricFamily(
            f"{_PREFIX}_waiting_by_cause", "Messages of the first 200 users who wait, by why.", labels=("reason",)
        )
        causes, used_up = self._of_users([uid for uid, size in waiting.items() if size], now)
        for reason, count in causes.items():
            reasons.add_metric((reason,), count)
        yield reasons
        yield _gauge("users_without_quota", "Of 200 users who wait: those without calls left this hour.", used_up)
        closed = GaugeMetricFamily(
            f"{_PREFIX}_gate_closed", "Whether everybody waits, and why.", labels=("gate", "reason")
        )
        for name, gate in found.gates.of_all().items():
            closed.add_metric((name, gate.reason.key), float(gate.until > now))
        yield closed
        lag = max(timedelta(0), now - (found.health.swept_at() or now))
        yield _gauge("retention_lag_seconds", "Seconds since retention last ran.", lag.total_seconds())


def _looked_at(found: Services, uids: list[str]) -> tuple[dict[str, int], int]:
    causes = causes_of(found, uids, lambda estimate: estimate.reason.key)
    return causes, sum(_is_used_up(found, uid) for uid in uids[:_LOOKED_AT])


def _is_used_up(found: Services, uid: str) -> bool:
    return any(quota.limit is not None and quota.used >= quota.limit for quota in found.quotas.of(uid).values())


def _counters(counters: dict[str, int]) -> Iterable[Metric]:
    doors = CounterMetricFamily(
        f"{_PREFIX}_webhooks", "Requests of providers by outcome.", labels=("provider", "outcome")
    )
    deliveries = CounterMetricFamily(f"{_PREFIX}_deliveries", "Deliveries by what became of them.", labels=("state",))
    messages = CounterMetricFamily(
        f"{_PREFIX}_messages", "Messages in deliveries; more than deliveries where they were merged.", labels=("state",)
    )
    held = CounterMetricFamily(f"{_PREFIX}_held", "Mails held for want of proof.", labels=("provider",))
    causes = CounterMetricFamily(
        f"{_PREFIX}_call_failures", "Calls to Omi that failed, by whose trouble.", labels=("cause",)
    )
    for name, count in counters.items():
        kind, _, rest = name.partition(":")
        if kind == "webhooks":
            provider, _, outcome = rest.partition(":")
            doors.add_metric((provider, outcome), count)
        elif kind == "held":
            held.add_metric((rest,), count)
        elif kind == "messages":
            messages.add_metric((rest,), count)
        elif kind == "deliveries":
            deliveries.add_metric((rest,), count)
        elif kind == "causes":
            causes.add_metric((rest,), count)
    alarms = CounterMetricFamily(f"{_PREFIX}_alarms", "Alarms.", value=counters.get("alarms", 0))
    return doors, deliveries, messages, held, causes, alarms


def _histograms(counters: dict[str, int]) -> Iterator[Metric]:
    for kind, (name, words, buckets) in _HISTOGRAMS.items():
        each = [counters.get(f"seconds:{kind}:{le}", 0) for le in buckets]
        rows = list(zip(buckets, map(float, accumulate(each)), strict=True))
        yield HistogramMetricFamily(f"{_PREFIX}_{name}", words, buckets=rows, sum_value=None)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", words, value=value)
