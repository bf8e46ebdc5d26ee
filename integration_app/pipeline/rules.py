"""The figures that the pipeline goes by; `bootstrap` fills them from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    sms_quiet: timedelta = timedelta(seconds=90)
    sms_max_wait: timedelta = timedelta(seconds=300)
    memory_quiet: timedelta = timedelta(seconds=90)
    """Of texts that ask to be remembered."""
    mail_quiet: timedelta = timedelta(seconds=90)
    mail_max_wait: timedelta = timedelta(seconds=600)
    """Mails are forwarded in a sitting, with more time between two of them."""
    first_quiet: timedelta = timedelta(seconds=20)
    """No window is longer for a user who has had nothing lately: the first text is watched for."""
    call_quiet: timedelta = timedelta(seconds=60)
    call_max_wait: timedelta = timedelta(hours=2)
    """A live transcript comes line by line and is one conversation; a pause of this length ends it."""
    daily_hour: int = 20
    zone: tzinfo = UTC
    """When a digest leaves: at this full hour there."""
    group_span: timedelta = timedelta(days=1)
    retry_horizon: timedelta = timedelta(hours=24)
    left_probe: timedelta = timedelta(hours=6)
    left_retention: timedelta = timedelta(days=7)
    own_domain: str | None = None
    """The domain of the private inbox addresses: what comes from there is a loop."""
    quarantine: timedelta = timedelta(days=7)
    pause_max: timedelta = timedelta(days=30)
    request_time: timedelta = timedelta(seconds=135)
    drain_budget: timedelta = timedelta(seconds=25)
    """No new call is begun in a drain that is older than this: the job must end before its time-out."""
