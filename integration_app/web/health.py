"""Is the process alive, and can it do its work. Omi is not asked: its outage must not take our doors down."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.operations.alerting.problems import standing
from integration_app.operations.metrics import Metrics
from integration_app.web import callers, draining
from integration_app.web.passwords import is_token


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

    @pages.get("/livez/<nonce>")
    def here(nonce: str) -> tuple[str, int]:
        """What doctor, on the same Redis, has just left for it: then the address that was asked leads here."""
        proof = services.health.left(nonce) if re.fullmatch(r"[0-9a-f]{32}", nonce) else ""
        return proof, 200 if proof else 404

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
    stands = standing(services)
    return {
        "status": "unavailable" if not stands.takes_messages else "degraded" if stands.problems else "ok",
        "problems": [problem.words for problem in stands.problems],
        "redis": "ok" if stands.written else "lost a write",
        "workers": stands.workers,
        "oldest_due_seconds": round(stands.late.total_seconds(), 1),
    }
