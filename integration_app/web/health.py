"""Is the process alive, and can it do its work. Omi is not asked: its outage must not take our doors down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.operations.metrics import Metrics
from integration_app.web import callers, draining
from integration_app.web.passwords import is_token

WORKER_SEEN = timedelta(minutes=1)
LATE = timedelta(seconds=30)
FAILED_LATELY = timedelta(minutes=10)


def blueprint(services: Services) -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/livez")
    def livez() -> Response:
        return jsonify(status="ok")

    @pages.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            answer = _ready(services)
        except (RedisError, OSError) as error:
            return jsonify(status="unavailable", redis=type(error).__name__), 503
        if draining.is_going():
            return jsonify(status="stopping", problems=["this process is going: send nobody here any more"]), 503
        # Only a Redis that takes no write closes the doors: a balancer that took them away for want of a worker would
        # lose texts that could have been accepted.
        strict = "strict" in request.args and answer["status"] != "ok"  # for monitors that look at the status alone
        status = 503 if strict or answer["status"] == "unavailable" else 200
        return jsonify(answer if _may_know(services) else {"status": answer["status"]}), status

    if tokens := services.settings.metrics_tokens:
        registry = CollectorRegistry()
        registry.register(Metrics(services))

        @pages.get("/metrics")
        def metrics() -> Response:
            if not is_token(request.headers.get("Authorization", "").removeprefix("Bearer "), tokens):
                return Response("a bearer token of METRICS_TOKENS is needed\n", 401)
            return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return pages


def _may_know(services: Services) -> bool:
    """What is wrong is told to this network, and to who has the operator's token; to strangers, only whether it is."""
    if is_token(request.headers.get("Authorization", "").removeprefix("Bearer "), services.settings.operator_api_token):
        return True
    return "X-Forwarded-For" not in request.headers and callers.is_near(request.remote_addr or "")


def _ready(services: Services) -> dict[str, Any]:
    now = services.clock()
    oldest = services.due.oldest()
    workers = services.health.workers(since=now - WORKER_SEEN)
    written = services.health.write_and_read_back()
    ours = services.identity.is_ours()
    facts = services.health.facts()
    problems = facts.mistakes() + facts.risks(
        ack_replicas=services.settings.ack_replicas, has_sentinels=services.settings.has_sentinels
    )
    if not ours:
        problems.insert(0, "this Redis is empty, or another one: omi-inbox init makes it ours")
    if oldest and now - oldest > LATE:
        problems.append(f"the oldest due outbox is {(now - oldest).total_seconds():.0f} s late")
    if failing := services.health.failed_since(now - FAILED_LATELY):
        problems.append(f"drains of {len(failing)} users failed in the last ten minutes")
    if not workers:
        problems.append("no worker was seen in the last minute")
    problems += [
        f"everybody waits until {gate.until:%H:%M:%S} UTC: {gate.why}"
        for gate in services.gates.of_all().values()
        if gate.until > now
    ]
    if not written:
        problems.append("Redis did not give back what was written")
    return {
        "status": "unavailable" if not (written and ours) else "degraded" if problems else "ok",
        "problems": problems,
        "redis": "ok" if written else "lost a write",
        "workers": workers,
        "oldest_due_seconds": round(max(0.0, (now - oldest).total_seconds()), 1) if oldest else 0.0,
    }
