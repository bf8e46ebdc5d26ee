"""Crashes of ours told to Sentry, or to what speaks its protocol: SENTRY_DSN, with the extra `omi-inbox[sentry]`.

The kind and the place of a crash alone: an exception's text, local variables, requests and logs may repeat what
people wrote.
"""

from __future__ import annotations

import sys
from typing import Any

from integration_app import logs

log = logs.get(__name__)

_KEPT = (
    "event_id",
    "timestamp",
    "platform",
    "level",
    "release",
    "environment",
    "exception",
    "transaction",
    "sdk",
    "tags",
)


def configure(dsn: str | None, version: str) -> None:
    """Begin to tell, where a DSN is set."""
    if not dsn:
        return
    try:
        import sentry_sdk
    except ImportError:
        log.error("no crash reports: they need an extra", install="pip install 'omi-inbox[sentry]'")
        return
    sentry_sdk.init(
        dsn=dsn,
        release=f"omi-inbox@{version}",
        default_integrations=False,  # they look into requests, logs and threads
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=bare,
    )
    logs.on_crash(lambda where, error: _told(sentry_sdk, where, error))


def flush() -> None:
    """Send what is still here, before the process ends."""
    if sdk := sys.modules.get("sentry_sdk"):
        sdk.flush(timeout=3)


def bare(event: Any, hint: Any = None) -> Any:
    """An event without anything that may repeat people's words."""
    found = {name: value for name, value in event.items() if name in _KEPT}
    for row in (found.get("exception") or {}).get("values") or ():
        row["value"] = ""
        for frame in (row.get("stacktrace") or {}).get("frames") or ():
            frame.pop("vars", None)
    return found


def _told(sdk: Any, where: str, error: BaseException) -> None:
    with sdk.new_scope() as scope:
        scope.set_tag("where", where)
        scope.capture_exception(error)
