"""`--strict-seed`: as Omi's published pages say, where they differ from what is on the wire.

https://docs.omi.me/doc/developer/apps/Import and https://docs.omi.me/doc/developer/api
A client that passes in both modes depends on neither.
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import Flask, Response, g, jsonify, request

from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import State

_CODES = {
    400: "bad_request", 401: "invalid_api_key", 402: "payment_required", 403: "forbidden", 404: "not_found",
    409: "conflict", 422: "unprocessable_entity", 429: "rate_limit_exceeded", 500: "internal_error",
}  # fmt: skip


def install(app: Flask, state: State, limits: Limits) -> None:
    @app.before_request
    def _count() -> tuple[Response, int] | None:
        if not request.path.startswith("/v1/dev/"):
            return None
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        key = state.key_of(secret)
        if key is None:
            return None
        windows = [limits.seed("seed:minute", key.id), limits.seed("seed:day", key.uid)]
        tightest = min(windows, key=lambda window: window.remaining)
        g.window = tightest
        if tightest.refused:
            return jsonify(detail="Rate limit exceeded"), 429
        return None

    @app.after_request
    def _as_published(response: Response) -> Response:
        if request.path.startswith("/v1/dev/"):
            return _developer(response, limits, state)
        if request.path.startswith("/v2/") and response.status_code == 200:
            _integrations(response)
        return response


def _developer(response: Response, limits: Limits, state: State) -> Response:
    """`{"error": {"message", "code"}}`, and limit headers on every answer: Reset is a Unix time."""
    window = g.get("window")
    remaining = max(0, window.remaining) if window else 100
    response.headers["X-RateLimit-Limit"] = str(window.limit if window else 100)
    response.headers["X-RateLimit-Remaining"] = str(remaining)
    ends = window.ends if window else state.clock() + 60
    response.headers["X-RateLimit-Reset"] = str(int(ends - state.clock() + time.time()))
    if response.status_code >= 400 and response.is_json:
        detail = (response.get_json() or {}).get("detail")
        message = detail if isinstance(detail, str) else json.dumps(detail)
        code = _CODES.get(response.status_code, "error")
        response.set_data(json.dumps({"error": {"message": message, "code": code}}))
    return response


def _integrations(response: Response) -> None:
    """`text` on top, segments with `start_time` and `end_time`."""
    found: Any = response.get_json()
    if not isinstance(found, dict) or "conversations" not in found:
        return
    for row in found["conversations"]:
        row["text"] = (row.pop("external_data", None) or {}).get("text")
        row["transcript_segments"] = [
            {"text": item["text"], "start_time": item["start"], "end_time": item["end"]}
            for item in row.get("transcript_segments", [])
        ]
    response.set_data(json.dumps(found, ensure_ascii=False))
