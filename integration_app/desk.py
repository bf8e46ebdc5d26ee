"""What an operator sees and does, as plain data: pages, JSON API and command line show the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from integration_app import checks, logs
from integration_app.bootstrap import Services
from integration_app.model import Content, Gate, PreparedText
from integration_app.pipeline.replay import DEFAULT_RATE, Selection
from integration_app.providers import registry

log = logs.get(__name__)

WORKER_SEEN = timedelta(minutes=1)
_HOUR, _DAY = 12, 288
"""Five-minute slots."""


def overview(services: Services) -> dict[str, Any]:
    """How it stands: what arrived, what went out, what waits and why, who is alive."""
    now = services.clock()
    counters = services.health.counters()
    oldest = services.due.oldest()
    waiting = services.outbox.sizes(services.installations.uids())
    return {
        "accepted": sum(n for name, n in counters.items() if name.endswith(":stored")),
        "delivered": counters.get("deliveries:done", 0),
        "refused": sum(n for name, n in counters.items() if _is_refusal(name)),
        "alarms": counters.get("alarms", 0),
        "waiting": sum(waiting.values()),
        "waiting_by_cause": _causes(services, [uid for uid, size in waiting.items() if size]),
        "quarantined": services.quarantine.size(),
        "dead_letters": len(services.dead_letters.list()),
        "oldest_overdue_seconds": round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else 0.0,
        "gates": [_gate(name, gate) for name, gate in services.gates.of_all().items() if gate.until > now],
        "workers": services.health.workers(since=now - WORKER_SEEN),
        "installations": len(waiting),
        "rates": {
            "accepted_hour": services.health.rates("webhooks:", ending=":stored", slots=_HOUR, now=now),
            "accepted_day": services.health.rates("webhooks:", ending=":stored", slots=_DAY, now=now),
            "delivered_hour": services.health.rates("deliveries:done", slots=_HOUR, now=now),
            "delivered_day": services.health.rates("deliveries:done", slots=_DAY, now=now),
            "failed_day": services.health.rates("causes:", slots=_DAY, now=now),
        },
    }


def messages(
    services: Services,
    *,
    limit: int = 50,
    uid: str = "",
    state: str = "",
    provider: str = "",
    sender: str = "",
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    """The newest ones that fit; `sender` is a part of the masked one."""
    found = []
    looked_at = 5000 if provider or sender or since else limit
    for row in services.stories.latest(limit=looked_at, uid=uid or None, state=state or None):
        if since and datetime.fromisoformat(row["received_at"]) < since:
            break
        if (provider and row["provider"] != provider) or (sender and sender not in row["sender"]):
            continue
        found.append(row)
        if len(found) >= limit:
            break
    return found


def text_of(services: Services, message_id: str, *, by: str) -> str | None:
    """What was said. Looking is an event of the message's story, and a line of the log."""
    said = services.inbox.said(message_id)
    if said is None:
        return None
    services.inbox.note(message_id, {"event": "text shown", "by": by, "uid": None}, now=services.clock())
    log.warning("text shown", message=message_id, by=by)
    if isinstance(said, PreparedText):
        return f"{said.head}\n\n{said.text}".strip() if said.head else said.text
    assert isinstance(said, Content)  # noqa: S101 - one of the two
    return said.text or said.subject or "(a raw mail, not prepared yet)"


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
        }
        for delivery, parked_at in services.replays.find(Selection(uid=uid or None, reason=reason or None))
    ]


def cost(services: Services, ids: list[str], rate: float = DEFAULT_RATE) -> dict[str, Any]:
    deliveries = [delivery for delivery, _ in services.replays.find(Selection(ids=tuple(ids)))] if ids else []
    return asdict(services.replays.cost(deliveries, rate))


def replay(services: Services, ids: list[str], *, by: str, rate: float = DEFAULT_RATE) -> str | None:
    """Start sending these again. None when there is nothing (any more)."""
    deliveries = [delivery for delivery, _ in services.replays.find(Selection(ids=tuple(ids)))] if ids else []
    return services.replays.start(deliveries, by=by, rate=rate) if deliveries else None


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
                "held_up": max(closed, key=lambda gate: gate.until).reason if closed else None,
            }
        )
    return rows


def providers(services: Services) -> list[dict[str, Any]]:
    base, counters = services.settings.public_base_url, services.health.counters()
    return [
        {
            "name": name,
            "title": spec.provider.title,
            "on": name in services.providers,
            "url": f"{base}/webhooks/{name}",
            "last_event": _last(services, f"webhooks:{name}:"),
            "outcomes": {
                key.rpartition(":")[2]: count for key, count in counters.items() if key.startswith(f"webhooks:{name}:")
            },
        }
        for name, spec in registry.specs().items()
    ]


def health(services: Services) -> Iterator[dict[str, Any]]:
    yield from map(asdict, checks.every(services))


def send_test(services: Services, name: str, uid: str) -> str:
    """A message signed as the vendor does it, through the public door, for one user. Says what came of it."""
    spec, installation = registry.specs().get(name), services.installations.get(uid)
    if spec is None or spec.sender is None or name not in services.providers:
        return "this provider is off"
    if installation is None:
        return "no such user"
    sender = spec.sender(os.environ)
    sample = next(iter(sender.samples().values()))
    if "{phone}" in sample.sender and not installation.phones:
        return "this user has no phone"
    message = replace(
        sample,
        sender=sample.sender.replace("{phone}", installation.phones[0] if installation.phones else ""),
        to=sample.to.replace("{inbox}", f"{installation.inbox_token}@{services.settings.inbox_domain}"),
        text="[TEST] A signed test of the operator's.",
        html=None,
    )
    base = services.settings.public_base_url
    try:
        made = sender.build_request(message, base, services.clock())
        answer = requests.request(
            made.method, base + made.path, data=made.body, headers=dict(made.headers), timeout=10, allow_redirects=False
        )
    except (ValueError, KeyError) as error:
        return str(error)
    except requests.RequestException as error:
        return f"{base} does not answer ({type(error).__name__})"
    return f"{answer.status_code}: {answer.headers.get('X-Outcome', 'the answer does not say what became of it')}"


def _causes(services: Services, uids: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for uid in uids[:200]:  # enough to see what is the matter
        for landing in services.previews.of(uid):
            found[landing.why] = found.get(landing.why, 0) + len(landing.message_ids)
    return dict(sorted(found.items(), key=lambda row: -row[1]))


def _last(services: Services, prefix: str) -> str | None:
    """When something was counted last, within a day and to five minutes."""
    now = services.clock()
    counts = services.health.rates(prefix, slots=_DAY, now=now)
    ago = next((number for number, count in enumerate(reversed(counts)) if count), None)
    return None if ago is None else (now - ago * timedelta(minutes=5)).isoformat(timespec="minutes")


def _is_refusal(name: str) -> bool:
    refusals = ("bad signature", "malformed", "unknown recipient", "too large")
    return name.startswith("webhooks:") and name.rpartition(":")[2] in refusals


def _gate(name: str, gate: Gate) -> dict[str, Any]:
    return {"name": name, "until": gate.until.isoformat(), "reason": gate.reason}


def moment(text: str) -> datetime | None:
    """An ISO time, UTC where it names no zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
