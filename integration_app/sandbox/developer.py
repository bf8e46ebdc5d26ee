"""The guard of Omi's Developer API, v1/dev: a key of one user's, scopes, limits; and reading bodies.

Order: unreadable JSON (422) → header and key (401) → scope (403) → rate limit (429) → validation (422) → work.
https://docs.omi.me/doc/developer/api
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from flask import Response, g, request

from integration_app.sandbox.answers import Refused, bearer, rate_limited
from integration_app.sandbox.fault_injection import Faulty
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import READ_ONLY, DeveloperKey, State
from integration_app.sandbox.validation import BadBody, Checker

_MCP_HINT = (
    "This is an MCP key (omi_mcp_…). The Developer API needs a Developer API key (omi_dev_…), "
    "which you can create in the Omi app under Settings > Developer"
)


class Developer:
    def __init__(self, state: State, limits: Limits, faulty: Faulty) -> None:
        self.state = state
        self.limits = limits
        self.faulty = faulty

    def enter(self, scope: str, *policies: str) -> DeveloperKey:
        """The key of this request, if it may do what it asks for. `policies` are counted in order."""
        refuse_unreadable_json()
        secret = bearer()
        key = self.state.key_of(secret)
        if key is None:
            raise Refused(401, _MCP_HINT if secret.startswith("omi_mcp_") else "Invalid API Key")
        g.uid = key.uid
        if scope not in (READ_ONLY if key.scopes is None else key.scopes):
            raise Refused(403, f"Insufficient permissions. Required scope: {scope}")
        self.faulty.limit(Refused)
        for policy in policies:
            refusal = self.limits.hit(policy, f"dev:{key.uid}:{key.id}")
            if refusal:
                raise rate_limited(refusal.limit, refusal.retry_after)
        return key

    def write(self, change: Callable[[], Response]) -> Response:
        return self.faulty.work(change)

    def read(self, answer: Response) -> Response:
        return self.faulty.read(Refused, answer)


def refuse_unreadable_json() -> None:
    """Broken JSON is found before the key is looked at."""
    raw = request.get_data()
    if raw and request.mimetype == "application/json":
        try:
            json.loads(raw)
        except UnicodeDecodeError:
            raise BadBody from None
        except (ValueError, RecursionError):
            Checker().body(raw, request.content_type or "")


NOTHING_TO_CHANGE = "At least one field must be provided"


def known_categories(value: str, known: Iterable[str]) -> set[str]:
    """A filter of the query; a category that Omi does not know is refused."""
    names = {name.strip() for name in value.split(",") if name.strip()}
    if unknown := sorted(names - set(known)):
        raise Refused(400, f"Invalid category {unknown[0]}")
    return names


def clamped(name: str, default: int, high: int, low: int = 1) -> int:
    """A number of the query, moved into its range; one that is no number is refused."""
    check = Checker()
    value = check.integer(request.args, name, default, -(10**9), 10**9)
    check.close()
    return min(max(value, low), high)


def given(check: Checker) -> dict[str, Any]:
    return check.body(request.get_data(), request.content_type or "")


def text_of(
    check: Checker, body: dict[str, Any], name: str, *, low: int = 0, high: int | None = None, required: bool = False,
    at: list[Any] | None = None,
) -> str | None:  # fmt: skip
    """A string within its bounds of length."""
    place = at or ["body"]
    value = check.string(body, name, at=place, required=required, null=not required)
    if value is None:
        return None
    if len(value) < low:
        plural = "" if low == 1 else "s"
        msg = f"String should have at least {low} character{plural}"
        check.complain("string_too_short", [*place, name], msg, value, min_length=low)
    if high is not None and len(value) > high:
        msg = f"String should have at most {high} characters"
        check.complain("string_too_long", [*place, name], msg, value, max_length=high)
    return value


def flag_of(
    check: Checker, body: dict[str, Any], name: str, at: list[Any] | None = None, *, null: bool = True
) -> bool | None:
    value = body.get(name)
    if (value is not None or (name in body and not null)) and not isinstance(value, bool):
        check.complain("bool_type", [*(at or ["body"]), name], "Input should be a valid boolean", value)
        return None
    return value


def number_of(
    check: Checker, body: dict[str, Any], name: str, *, required: bool = False, at: list[Any] | None = None
) -> float | None:
    place = [*(at or ["body"]), name]
    if name not in body:
        if required:
            check.complain("missing", place, "Field required", body)
        return None
    return check.number(body[name], place)


def strings_of(check: Checker, body: dict[str, Any], name: str, at: list[Any] | None = None) -> list[str]:
    """A list of strings, empty where there is none; null is none of them."""
    return check.strings(body[name], [*(at or ["body"]), name]) if name in body else []


def rows_of(check: Checker, body: dict[str, Any], name: str, *, low: int = 0, high: int) -> list[dict[str, Any]]:
    """A list of objects within its bounds of length."""
    place = ["body", name]
    if name not in body:
        check.complain("missing", place, "Field required", body)
        return []
    value = body[name]
    if not isinstance(value, list):
        check.complain("list_type", place, "Input should be a valid list", value)
        return []
    if len(value) > high:
        msg = f"List should have at most {high} items after validation, not {len(value)}"
        check.complain("too_long", place, msg, value, field_type="List", max_length=high, actual_length=len(value))
    if len(value) < low:
        msg = f"List should have at least {low} item after validation, not {len(value)}"
        check.complain("too_short", place, msg, value, field_type="List", min_length=low, actual_length=len(value))
    rows = []
    for number, row in enumerate(value[:high]):
        if isinstance(row, dict):
            rows.append(row)
        else:
            msg = "Input should be a valid dictionary or object to extract fields from"
            check.complain("model_attributes_type", [*place, number], msg, row)
    return rows
