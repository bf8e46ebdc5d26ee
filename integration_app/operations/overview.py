"""How the deployment stands, in one look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from integration_app.bootstrap import Services
from integration_app.model import Gate
from integration_app.pipeline.estimate import Estimate
from integration_app.store.health import counted

WORKER_SEEN = timedelta(seconds=45)
"""A worker that gave no sign of life for longer is gone."""
HOUR, DAY = 12, 288
"""Five-minute slots."""
_SERIES = {"accepted": ("webhooks:", ":stored"), "delivered": ("deliveries:done", ""), "failed": ("causes:", "")}
"""What is counted: beginning and end of the names under which it is."""


def overview(services: Services) -> dict[str, Any]:
    """What arrived, what went out, what waits and why, which workers are alive."""
    now, day = services.clock(), rates(services, DAY)
    counters = services.health.counters()
    oldest = services.due.oldest()
    waiting = services.outbox.sizes(services.installations.uids())
    return {
        "accepted": sum(n for name, n in counters.items() if name.endswith(":stored")),
        "delivered": counters.get("deliveries:done", 0),
        "refused": sum(n for name, n in counters.items() if _is_refusal(name)),
        "alarms": counters.get("alarms", 0),
        "waiting": sum(waiting.values()),
        "waiting_by_cause": causes_of(services, [uid for uid, size in waiting.items() if size]),
        "quarantined": services.quarantine.size(),
        "dead_letters": services.dead_letters.size(),
        "oldest_overdue_seconds": round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else 0.0,
        "gates": [_gate(name, gate) for name, gate in services.gates.of_all().items() if gate.until > now],
        "workers": services.health.workers(since=now - WORKER_SEEN),
        "installations": len(waiting),
        "rates": {
            "accepted_hour": day["accepted"][-HOUR:],
            "accepted_day": day["accepted"],
            "delivered_hour": day["delivered"][-HOUR:],
            "delivered_day": day["delivered"],
            "failed_day": day["failed"],
        },
    }


def rates(services: Services, slots: int) -> dict[str, list[int]]:
    """What was accepted, delivered and failed in each of the last five-minute slots, oldest first."""
    found = services.health.slots(slots, now=services.clock())
    return {name: [counted(slot, begin, end) for slot in found] for name, (begin, end) in _SERIES.items()}


def compared(services: Services) -> dict[str, tuple[int, int]]:
    """The last 24 hours, and the 24 before them."""
    return {name: (sum(row[DAY:]), sum(row[:DAY])) for name, row in rates(services, 2 * DAY).items()}


def _why(estimate: Estimate) -> str:
    return estimate.why


def causes_of(services: Services, uids: list[str], name: Callable[[Estimate], str] = _why) -> dict[str, int]:
    """Why messages wait, of the first 200 users: reason → messages."""
    found: dict[str, int] = {}
    for uid in uids[:200]:  # enough to see what is the matter
        for estimate in services.estimates.of(uid):
            found[name(estimate)] = found.get(name(estimate), 0) + len(estimate.message_ids)
    return dict(sorted(found.items(), key=lambda row: -row[1]))


def _is_refusal(name: str) -> bool:
    refusals = ("bad signature", "malformed", "unknown recipient", "too large")
    return name.startswith("webhooks:") and name.rpartition(":")[2] in refusals


def _gate(name: str, gate: Gate) -> dict[str, Any]:
    return {"name": name, "until": gate.until.isoformat(), "reason": gate.why}
