"""What both families of Omi's API answer with: refusals by `detail`, values as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Flask, Response, jsonify, request

from integration_app.sandbox.moments import parse_bound
from integration_app.sandbox.validation import BadBody, Complaints

NO_HEADER = "Missing or invalid Authorization header. Must be 'Bearer API_KEY'"
BAD_DATE = "Invalid {name} format. Use ISO format (YYYY-MM-DDTHH:MM:SS.sssZ) or YYYY-MM-DD"


class Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, detail: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(status))
        self.status = status
        self.detail = detail
        self.headers = headers or {}


class Crashed(Exception):  # noqa: N818 - it is an answer
    """A 500 as the framework gives it where Omi's code fails: text, no JSON."""


def install(app: Flask) -> None:
    app.register_error_handler(Crashed, lambda _: Response("Internal Server Error", 500, mimetype="text/plain"))
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(BadBody, lambda _: (jsonify(detail="There was an error parsing the body"), 400))
    app.register_error_handler(Complaints, lambda error: (jsonify(detail=error.rows), 422))


def bearer() -> str:
    """The key of a request. Raises 401."""
    header = request.headers.get("Authorization", "")
    if not header.startswith("Bearer ") or not header.removeprefix("Bearer ").strip():
        raise Refused(401, NO_HEADER)
    return header.replace("Bearer ", "")  # wherever the word stands


def bound(name: str) -> datetime | None:
    """A start or an end in the query. Raises 400."""
    raw = request.args.get(name)
    if not raw:
        return None
    parsed = parse_bound(raw, end=name.endswith("end_date"))
    if parsed is None:
        raise Refused(400, BAD_DATE.format(name=name))
    return parsed


def plain(value: Any, *, top: bool = False) -> Any:
    """JSON values: datetimes with `Z`; with `top`, nulls of the item itself are left out, those inside it kept."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if not (top and item is None)}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def rate_limited(limit: int, retry_after: int) -> Refused:
    headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0", "Retry-After": str(retry_after)}
    return Refused(429, f"Rate limit exceeded. Try again in {retry_after}s.", headers)


def _refused(error: Refused) -> tuple[Response, int, dict[str, str]]:
    return jsonify(detail=error.detail), error.status, error.headers
