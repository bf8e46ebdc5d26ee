"""From an HTTP answer to its meaning: pure, and the only place that reads Omi's error texts.

Copes with both documented error shapes (`{"detail": …}` as string, list or object, and `{"error": {…}}`), with
plain text and with empty bodies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from integration_app.omi import errors

_ITEM = re.compile(r"\b(?:memory|conversation|action item|goal|folder|api key|key) not found")
_EPOCHS = 1_000_000_000
_SCOPE = re.compile(r"scope: ?([a-z_]+:[a-z]+)")

REQUEST_TIMEOUT = 408
_SERVER_ERRORS = range(500, 600)
"""After these the outcome of a write is unknown: Omi works on after it has answered, and what stands in front of it has
numbers of its own (520 to 530).
"""


def from_response(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime | None = None) -> Any:
    """Return the decoded JSON of a success, else raise the error by meaning.

    `headers` must be case-insensitive or lower-cased. Raises a subclass of `errors.OmiError`.
    """
    if 200 <= status < 300:
        return _success(status, body)
    foreign = body.lstrip()[:1] == b"<"  # a page of HTML: a proxy or a CDN answered in Omi's place
    detail = _detail(body)
    if status == 429:
        raise errors.RateLimited(
            "Omi's rate limit is reached",
            status=status,
            retry_after=retry_after(headers, now),
            limit=_number(headers.get("x-ratelimit-limit")),
            remaining=_number(headers.get("x-ratelimit-remaining")),
        )
    if status == 503 and not foreign:
        raise errors.Unavailable("Omi is unavailable", status=status, retry_after=retry_after(headers, now))
    if status in _SERVER_ERRORS or status == REQUEST_TIMEOUT:
        raise errors.OutcomeUnknown("Omi failed, the outcome is unknown", status=status)
    raise _refusal(status, detail, foreign=foreign)


def _refusal(status: int, detail: Any, *, foreign: bool) -> errors.OmiError:
    """What an answer from 300 to 499 means. `foreign`: a page of HTML."""
    text = _text(detail).lower()
    if foreign:
        return errors.UnexpectedAnswer("not Omi's own answer: something in front of it", status=status)
    if status == 401:
        return errors.BadCredentials("Omi refused our API key", status=status)
    if status == 402:
        return errors.PaymentRequired("a paid plan is needed for this", status=status)
    if status == 403:
        return _forbidden(text)
    if status == 409:
        return errors.Conflict("it is being made at this moment", status=status)
    if status == 404 and _ITEM.search(text):
        return errors.NotFound("there is no such item", status=status)
    if status == 404:
        return errors.AppMisconfigured("Omi does not know this app or route", status=status)
    if status in (400, 422):
        return errors.InvalidRequest("Omi could not use our request", status=status, fields=_fields(detail))
    return errors.UnexpectedAnswer("Omi gave an answer that it does not document", status=status)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait according to `Retry-After` (delta seconds or HTTP date), None without a usable one.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    value = (headers.get("retry-after") or "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None


def rate_limit(headers: Mapping[str, str], now: datetime | None = None) -> errors.RateLimit | None:
    """The limit that an answer names. `X-RateLimit-Reset` is seconds from now, or Unix seconds where that is larger."""
    limit = _number(headers.get("x-ratelimit-limit"))
    if limit is None:
        return None
    reset = _number(headers.get("x-ratelimit-reset"))
    moment = now or datetime.now(UTC)
    ends: datetime | None = None
    if reset is not None and reset >= 0:
        try:
            ends = datetime.fromtimestamp(reset, UTC) if reset > _EPOCHS else moment + timedelta(seconds=reset)
        except (OverflowError, OSError, ValueError):
            ends = None
    return errors.RateLimit(limit, _number(headers.get("x-ratelimit-remaining")), ends)


def _success(status: int, body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise errors.OutcomeUnknown("Omi answered success without JSON", status=status) from None


def _forbidden(text: str) -> errors.OmiError:
    """Three meanings share 403 and differ by text alone; an unknown one is taken for a changed Omi."""
    if "not enabled" in text or "installed" in text:
        return errors.AppNotEnabled("the app is not enabled for this user", status=403)
    if scope := _SCOPE.search(text):
        return errors.MissingScope(f"the key lacks the scope {scope.group(1)}", status=403, scope=scope.group(1))
    if "not authenticated" in text:
        return errors.BadCredentials("Omi refused our API key", status=403)
    if "capability" in text:
        return errors.AppMisconfigured("the app lacks a capability", status=403, capability=True)
    if "api key" in text or "apikey" in text or "api_key" in text:
        return errors.BadCredentials("Omi refused our API key", status=403)
    return errors.UnexpectedAnswer("Omi forbade it for a reason that it does not document", status=403)


def _detail(body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return body[:500].decode("utf-8", "replace")
    if isinstance(answer, dict):
        return answer.get("detail", answer.get("error", answer))
    return answer


def _text(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, dict):
        return " ".join(str(detail.get(name, "")) for name in ("message", "code", "reason"))
    return ""


def _fields(detail: Any) -> tuple[str, ...]:
    """Where Omi complains, as `body.text`; the values it repeats stay behind."""
    if not isinstance(detail, list):
        return ()
    places = [row.get("loc") for row in detail[:20] if isinstance(row, dict)]
    return tuple(".".join(str(step)[:60] for step in place[:6]) for place in places if isinstance(place, list))


def _number(value: str | None) -> int | None:
    try:
        return int(value) if value else None
    except ValueError:
        return None
