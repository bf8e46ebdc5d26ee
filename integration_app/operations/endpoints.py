"""Endpoints of operators, as the page and the command line act on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import ip_network
from typing import Any

from integration_app.bootstrap import Services
from integration_app.model.webhook_events import SUBSCRIBABLE, Endpoint, EventType
from integration_app.pipeline.webhooks.safe_http import Refused, check_url


def add_endpoint(services: Services, url: str, events: Sequence[str]) -> tuple[Endpoint, str]:
    """With its secret, which is shown this once. Raises ValueError, in words, for what cannot be one."""
    wanted = [EventType(name) for name in events if name in SUBSCRIBABLE]
    if len(wanted) != len(events):
        raise ValueError(f"events are {', '.join(SUBSCRIBABLE)}")
    networks = services.settings.webhook_private_networks
    try:
        check_url(url, [ip_network(network, strict=False) for network in networks])
    except Refused as refused:
        raise ValueError(str(refused)) from None
    return services.endpoints.add(url, wanted, now=services.clock())


def endpoints(services: Services) -> list[dict[str, Any]]:
    """Each with its last tries, what waits, and what was given up."""
    return [endpoint(services, row) for row in services.endpoints.all()]


def endpoint(services: Services, row: Endpoint) -> dict[str, Any]:
    failed = list(services.endpoints.failed(row.id))
    return asdict(row) | {
        "events": [kind.value for kind in row.events] or ["all"],
        "state": "on" if row.is_on else "off",
        "waiting": services.endpoints.waiting(row.id),
        "failed": failed,
        "tries": [asdict(one) for one in services.endpoints.log(row.id)],
    }
