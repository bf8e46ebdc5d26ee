"""Dead letters: listed, priced, replayed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from integration_app.bootstrap import Services
from integration_app.pipeline.upkeep.replay import DEFAULT_RATE, Selection


def dead_letters(services: Services, *, uid: str = "", reason: str = "") -> list[dict[str, Any]]:
    now = services.clock()
    return [
        {
            "id": delivery.id,
            "uid": delivery.uid,
            "kind": delivery.lane.kind.value,
            "messages": list(delivery.message_ids),
            "parked_at": parked_at.isoformat(),
            "age_seconds": int((now - parked_at).total_seconds()),
            "reason": delivery.reason,
            "unsure": delivery.is_unsure,
        }
        for delivery, parked_at in services.replays.find(Selection(uid=uid or None, reason=reason or None))
    ]


def cost(services: Services, ids: list[str], rate: float = DEFAULT_RATE) -> dict[str, Any]:
    deliveries = [delivery for delivery, _ in services.replays.find(Selection(ids=tuple(ids)))] if ids else []
    return asdict(services.replays.cost(deliveries, rate))


def replay(
    services: Services, ids: list[str], *, by: str, rate: float = DEFAULT_RATE, blind: bool = False
) -> str | None:
    """Start sending these again, after a look into Omi unless `blind`. None when there is nothing (any more)."""
    deliveries = [delivery for delivery, _ in services.replays.find(Selection(ids=tuple(ids)))] if ids else []
    return services.replays.start(deliveries, by=by, rate=rate, blind=blind) if deliveries else None
