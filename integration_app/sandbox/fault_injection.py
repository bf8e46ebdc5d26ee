"""Carries out the fault that was taken for the current call: at the limit, around the work, on the wire."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Response, g, jsonify, request

from integration_app.sandbox.faults import Fault, Faults

_FAILED = "Error processing conversation, please try again later"


class Dropped(Exception):  # noqa: N818
    """The connection was cut on purpose; there is no caller left to answer."""


class Faulty:
    def __init__(
        self, faults: Faults, latency: Callable[[], float], clock: Callable[[], float], resets: Callable[[], int]
    ) -> None:
        self._resets = resets
        self._faults = faults
        self._latency = latency
        self._clock = clock

    def _fault(self) -> Fault | None:
        """The fault that is meant for this call, taken when it first matters: a refused call uses none up."""
        if "fault" not in g:
            route = (request.endpoint or "").rpartition(".")[2]
            g.fault = self._faults.take(route, g.get("uid") or request.args.get("uid"), self._clock())
        fault: Fault | None = g.fault
        return fault

    def limit(self, refuse: Callable[[int, Any, dict[str, str]], Exception]) -> None:
        """Faults that look like a rate limit, where Omi checks its limits."""
        fault = self._fault()
        if fault is None:
            return
        if fault.fault == "rate_limited":
            if fault.retry_after is None:
                raise refuse(429, "Rate limit exceeded.", {})
            wait = f"{fault.retry_after:g}"
            headers = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0", "Retry-After": wait}
            raise refuse(429, f"Rate limit exceeded. Try again in {wait}s.", headers)
        if fault.fault == "rate_limited_object":
            raise refuse(429, {"code": "byok_rate_limit", "message": "Your model provider is limited"}, {})

    def work(self, store: Callable[[], Response | None]) -> Response:
        """Store and answer what `store` does (`{}` where it answers nothing), or do what the fault says."""
        fault = self._fault()
        name, resets = fault.fault if fault else None, self._resets()
        if latency := self._latency():
            time.sleep(latency)
        if fault and name == "slow":
            time.sleep(fault.seconds)
        if name == "drop_before" or self._resets() != resets:
            drop()
        if name in ("error_before", "error_plain", "unavailable"):
            return _error(name)
        answer = store() if name != "swallowed" else None
        if fault and name == "slow_after":
            time.sleep(fault.seconds)
        if name == "drop_after":
            drop()
        if name in ("error_after", "timeout_after"):
            return _error(name)
        return answer or jsonify({})

    def read(self, refuse: Callable[[int, Any, dict[str, str]], Exception], answer: Response) -> Response:
        """The same for a call that stores nothing."""
        self.limit(refuse)
        fault = self._fault()
        if fault is None:
            return answer
        if fault.fault in ("slow", "slow_after"):
            time.sleep(fault.seconds)
        if fault.fault in ("drop_before", "drop_after"):
            drop()
        if fault.fault in ("error_before", "error_plain", "unavailable", "error_after", "timeout_after"):
            return _error(fault.fault)
        return answer


def _error(name: str) -> Response:
    if name == "timeout_after":
        response = Response(b"", 504)
        response.headers.pop("Content-Type", None)
        return response
    if name == "unavailable":
        response = jsonify(detail="Service Unavailable")
        response.status_code = 503
        return response
    if name == "error_plain":
        return Response("Internal Server Error", 500, mimetype="text/plain")
    response = jsonify(detail=_FAILED)
    response.status_code = 500
    return response


def drop() -> None:
    """Cut the connection without an answer, as a crashing proxy does."""
    connection: socket.socket | None = request.environ.get("werkzeug.socket")
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    raise Dropped
