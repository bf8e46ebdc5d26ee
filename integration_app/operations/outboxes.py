"""Outboxes: what waits for a uid, which worker holds it and until when, its open deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from integration_app.bootstrap import Services
from integration_app.model import Delivery

LISTED_MAX = 200


def outboxes(services: Services, *, limit: int = LISTED_MAX) -> list[dict[str, Any]]:
    """The outboxes in which anything waits, the longest overdue first."""
    sizes = {uid: size for uid, size in services.outbox.sizes(services.installations.uids()).items() if size}
    due = services.due.times(list(sizes))
    chosen = sorted(sizes, key=lambda uid: (due[uid] is None, due[uid]))[:limit]  # a paused one has no time: last
    return [_row(services, uid, sizes[uid], due[uid]) for uid in chosen]


def outbox(services: Services, uid: str) -> dict[str, Any] | None:
    """One outbox in full; None for a uid that is not installed."""
    if services.installations.get(uid) is None:
        return None
    seen, now = services.outbox.peek(uid), services.clock()
    return _row(services, uid, services.outbox.size(uid), services.due.at(uid)) | {
        "in_redis": services.outbox.name_of(uid),
        "open": [_delivery(services, row) for row in seen.open],
        "gates": [
            {"name": name, "until": gate.until.isoformat(), "reason": gate.why, "tries": gate.tries}
            for name, gate in seen.gates.items()
            if gate.until > now
        ],
        "groups": [
            {
                "messages": list(row.message_ids),
                "channel": row.lane.channel,
                "kind": row.lane.kind.value,
                "leaves_at": row.at.isoformat(),
                "why": row.why,
                "cause": row.reason.key,
            }
            for row in services.estimates.of(uid)
        ],
    }


def _row(services: Services, uid: str, size: int, due_at: datetime | None) -> dict[str, Any]:
    leased = services.due.lease_of(uid)
    return {
        "uid": uid,
        "waiting": size,
        "due_at": _iso(due_at),
        "leased_until": _iso(services.clock() + leased) if leased else None,
    }


def _delivery(services: Services, delivery: Delivery) -> dict[str, Any]:
    settles_in = services.deliveries.settles_in(delivery)
    return {
        "id": delivery.id,
        "state": delivery.state.value,
        "messages": list(delivery.message_ids),
        "begun_at": delivery.begun_at.isoformat(),
        "reads_back_at": _iso(delivery.look_at),
        "settles_at": _iso(services.clock() + settles_in) if settles_in else None,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
