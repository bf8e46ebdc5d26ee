"""What Omi's answers mean. One base, one class per meaning; each carries what a caller needs to decide, no more.

    OmiError
    ├── Unreachable       nothing was sent (connect, DNS, TLS)
    ├── OutcomeUnknown    sent; whether it was stored is unknown (5xx, 408, 2xx without JSON, time-out, dropped)
    ├── Unavailable       503: not now
    ├── RateLimited       429
    ├── BadCredentials    401, 403 "API key": our key
    ├── MissingScope      403 "scope": what this Developer API key may not do
    ├── PaymentRequired   402: a paid plan is needed for this item
    ├── NotFound          404 of one item
    ├── Conflict          409: it is being made at this moment
    ├── AppNotEnabled     403 "not enabled" / "installed": this user left, or never came
    ├── AppMisconfigured  403 "capability", 404: our app
    ├── InvalidRequest    400, 422: our request
    └── UnexpectedAnswer  anything else: Omi changed

Answers are never echoed as they are: a 422 repeats the offending input.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What an answer's headers say: calls allowed and left in the window, and when it ends (UTC), where they do."""

    limit: int
    remaining: int | None = None
    resets_at: datetime | None = None


class OmiError(Exception):
    """Base. `status` is the HTTP status, `reason` a sentence that is safe to log."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        self.reason = reason
        self.status = status
        super().__init__(f"{reason} (HTTP {status})" if status else reason)


class Unreachable(OmiError):  # noqa: N818 - named for its meaning, as all below
    """No connection was made, so nothing was sent."""


class OutcomeUnknown(OmiError):  # noqa: N818
    """The request went out and the answer does not tell whether it was carried out."""


class Unavailable(OmiError):  # noqa: N818
    """503. `retry_after` in seconds, where Omi named it."""

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason, status=status)
        self.retry_after = retry_after


class RateLimited(OmiError):  # noqa: N818
    """429. `retry_after` in seconds or None; `limit` and `remaining` as the headers had them."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        limit: int | None = None,
        remaining: int | None = None,
    ) -> None:
        super().__init__(reason, status=status)
        self.retry_after = retry_after
        self.limit = limit
        self.remaining = remaining


class BadCredentials(OmiError):  # noqa: N818
    """Omi does not accept our API key."""


class MissingScope(OmiError):  # noqa: N818
    """The key may not do this. `scope` is what it lacks, such as `memories:write`."""

    def __init__(self, reason: str, *, status: int | None = None, scope: str | None = None) -> None:
        super().__init__(reason, status=status)
        self.scope = scope


class PaymentRequired(OmiError):  # noqa: N818
    """The user's plan does not include this item."""


class NotFound(OmiError):  # noqa: N818
    """There is no such item (any more)."""


class Conflict(OmiError):  # noqa: N818
    """The same call is in progress; repeated a little later, it has the answer."""


class AppNotEnabled(OmiError):  # noqa: N818
    """This uid has not enabled the app (a uid that does not exist looks the same)."""


class AppMisconfigured(OmiError):  # noqa: N818
    """The app lacks a capability (`capability`: for this kind of call only), or is gone."""

    def __init__(self, reason: str, *, status: int | None = None, capability: bool = False) -> None:
        super().__init__(reason, status=status)
        self.capability = capability


class InvalidRequest(OmiError):  # noqa: N818
    """Omi could not read what we sent. `fields` names the places it complained about."""

    def __init__(self, reason: str, *, status: int | None = None, fields: tuple[str, ...] = ()) -> None:
        super().__init__(reason, status=status)
        self.fields = fields


class UnexpectedAnswer(OmiError):  # noqa: N818
    """A status or a body that Omi does not document."""
