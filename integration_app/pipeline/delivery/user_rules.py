"""Which of a user's rules fits a message: the first. And how soon this user wants what they sent. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from unicodedata import normalize
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integration_app.model import InboundMessage, Preferences, PreparedText, Through, UserRule
from integration_app.model.messages import CHAT_CHANNELS
from integration_app.pipeline.rules import Rules
from integration_app.text.addresses import is_listed

_PHONE_SIGNS = re.compile(r"[\s().-]")


def first_of(rules: tuple[UserRule, ...], message: InboundMessage, prepared: PreparedText) -> UserRule | None:
    """None where no rule fits, and for events that describe themselves."""
    if message.hints:
        return None
    return next((rule for rule in rules if fits(rule, message, prepared)), None)


def fits(rule: UserRule, message: InboundMessage, prepared: PreparedText) -> bool:
    return (
        _comes(rule.through, message.channel)
        and (not rule.sender or _is_from(rule.sender, message.sender))
        and (not rule.word or _says(rule.word, f"{prepared.head or ''}\n{prepared.text}"))
    )


def paced(rules: Rules, preferences: Preferences, *, is_first: bool = False) -> Rules:
    """With this user's own quiet window, hour and zone. `is_first`: nothing of theirs has been delivered lately."""
    own = replace(rules, daily_hour=preferences.daily_hour, zone=zone_of(preferences))
    if preferences.quiet_seconds is None:
        return _soon(own) if is_first else own
    quiet = timedelta(seconds=preferences.quiet_seconds)
    return replace(
        own,
        sms_quiet=quiet,
        sms_max_wait=max(rules.sms_max_wait, 3 * quiet),
        memory_quiet=quiet,
        mail_quiet=quiet,
        mail_max_wait=max(rules.mail_max_wait, 3 * quiet),
    )


def _soon(rules: Rules) -> Rules:
    return replace(
        rules,
        sms_quiet=min(rules.sms_quiet, rules.first_quiet),
        memory_quiet=min(rules.memory_quiet, rules.first_quiet),
        mail_quiet=min(rules.mail_quiet, rules.first_quiet),
    )


def next_daily(after: datetime, hour: int, zone: tzinfo) -> datetime:
    """The next time at which it is this full hour there."""
    local = after.astimezone(zone)
    for days in (0, 1, 2):
        at = datetime.combine(local.date() + timedelta(days=days), time(hour), zone).astimezone(UTC)
        if at > after:
            return at
    raise AssertionError("within two days it is every hour")


def is_for_digest(preferences: Preferences, message: InboundMessage) -> bool:
    """Whether it is joined with the day's others where no rule says otherwise."""
    return preferences.daily and not message.hints and message.channel != "call"


def _comes(through: Through, channel: str) -> bool:
    match through:
        case Through.ANY:
            return True
        case Through.TEXT:
            return channel in CHAT_CHANNELS
        case Through.MAIL:
            return channel == "email"


def _is_from(wanted: str, sender: str) -> bool:
    if "@" in wanted:
        return is_listed(sender, (wanted,))
    return phone_of(wanted) == sender


def phone_of(written: str) -> str:
    """A number as people write it, with its country code, as +15550001111; "" for anything else."""
    number = _PHONE_SIGNS.sub("", written)
    number = f"+{number[2:]}" if number.startswith("00") else number
    return number if re.fullmatch(r"\+[1-9]\d{6,14}", number) else ""


def _says(word: str, text: str) -> bool:
    """Words in a row may be broken over lines."""
    words = r"\s+".join(map(re.escape, normalize("NFC", word).split()))
    return bool(re.search(rf"(?<!\w){words}(?!\w)", normalize("NFC", text), re.IGNORECASE))


def zone_of(preferences: Preferences) -> tzinfo:
    """UTC for a name that nobody knows (any more)."""
    try:
        return ZoneInfo(preferences.time_zone) if preferences.time_zone != "UTC" else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
