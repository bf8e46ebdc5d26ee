"""Installations: state, quota, what holds them up."""

from __future__ import annotations

from typing import Any

from integration_app import logs
from integration_app.bootstrap import Services


def installations(services: Services) -> list[dict[str, Any]]:
    now = services.clock()
    rows = []
    for row in services.installations.all():
        closed = [gate for gate in services.gates.of(row.uid).values() if gate.until > now]
        quotas = services.quotas.of(row.uid)
        rows.append(
            {
                "uid": row.uid,
                "state": row.state.value,
                "since": (row.left_at or row.created_at).isoformat(),
                "phones": [logs.masked(number) for number in row.phones],
                "waiting": services.outbox.size(row.uid),
                "paused": row.preferences.paused,
                "quota": {
                    kind.value: {"limit": quota.limit, "used": quota.used}
                    for kind, quota in quotas.items()
                    if quota.used or quota.limit
                },
                "held_up": max(closed, key=lambda gate: gate.until).why if closed else None,
            }
        )
    return rows
