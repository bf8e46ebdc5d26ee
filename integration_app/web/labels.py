"""What the pages say about states and times, in the user's language and zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from integration_app.model import (
    RECORDED,
    AnyEvent,
    Begun,
    Content,
    DeliveryState,
    DroppedByOperator,
    DroppedFromQuarantine,
    HeldByRule,
    Kind,
    MessageState,
    PartMade,
    Preferences,
    PreparedText,
    Reason,
    Received,
    Released,
    Replayed,
    SeenInOmi,
    Settled,
    TextShown,
    Then,
    Through,
    Unknown,
    UserRule,
    WholeAsked,
)
from integration_app.model.messages import CHAT_CHANNELS
from integration_app.store.quota import Quota
from integration_app.text.clean import one_line
from integration_app.web.language import say as _

TITLE_MAX = 70
"""Characters of a message that stand for it in a list."""
ICONS = dict.fromkeys(CHAT_CHANNELS, "text") | {"call": "call", "email": "mail"}

LANGUAGES = {
    "en": "English", "pt": "Português", "es": "Español", "fr": "Français", "de": "Deutsch", "it": "Italiano",
    "nl": "Nederlands", "pl": "Polski", "sv": "Svenska", "ru": "Русский", "uk": "Українська", "tr": "Türkçe",
    "hi": "हिन्दी", "ja": "日本語", "ko": "한국어", "zh": "中文",
}  # fmt: skip


def code_message(code: str) -> str:
    return _("Your code for Omi Inbox: %(code)s. It works for ten minutes. Tell it to nobody.", code=code)


def zones(current: str) -> list[str]:
    """All that there are, by continent."""
    names = {
        name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/", "right/"))
    }
    return ["UTC", *sorted(names | ({current} - {"UTC"}))]


def is_zone(name: str) -> bool:
    try:
        return bool(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def local(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment


def row(story: Mapping[str, Any], uid: str, preferences: Preferences) -> dict[str, Any]:
    """One message as its owner sees it: when, from whom, what became of it."""
    mine = next((to for to in story["recipients"] if to["uid"] == uid), {"state": story["state"]})
    return {
        "id": story["id"],
        "when": local(datetime.fromisoformat(story["received_at"]), preferences.time_zone),
        "sender": story["sender"],
        "channel": story["channel"],
        "icon": ICONS.get(story["channel"], "other"),
        "at": story["received_at"],
        "state": mine["state"],
        "words": _("recorded, not forwarded") if mine["state"] == RECORDED else _state(mine, preferences),
    }


def title(text: PreparedText | Content | None) -> str:
    """A mail's subject, or the first words; "" when they are gone."""
    if text is None:
        return ""
    if isinstance(text, PreparedText):
        rows = dict(line.partition(": ")[::2] for line in (text.head or "").split("\n"))
        said = rows.get("Subject") or text.text
    else:
        said = text.subject or text.text or ""
    said = one_line(said, TITLE_MAX + 1)
    return said if len(said) <= TITLE_MAX else f"{said[:TITLE_MAX].rstrip()}…"


def _state(mine: Mapping[str, Any], preferences: Preferences) -> str:
    """The user's label of a state; of the reason, while it waits."""
    match MessageState(mine["state"]):
        case MessageState.DONE:
            return _("in your Omi")
        case MessageState.QUARANTINED:
            if mine.get("cause") == Reason.OWN_RULE.key:
                return _("held by your rule")
            return _("held: we do not believe its sender")
        case MessageState.PARKED:
            return _("could not be delivered")
        case MessageState.DROPPED:
            reason = Reason.read(mine.get("cause"))
            return _(reason.label if reason is not Reason.OTHER else Reason.AUTOMATIC.label)
        case MessageState.WAITING | MessageState.SENDING:
            return _reason(mine, preferences)


def thens(*, has_tasks: bool, days: int) -> dict[str, str]:
    """What a rule may do, as a choice."""
    found = {
        Then.CONVERSATION: _("keep it as a conversation"),
        Then.MEMORIES: _("keep it as a memory"),
        Then.TASKS: _("make it a task"),
        Then.DIGEST: _("put it into the day's digest"),
        Then.HOLD: _("hold it for me to decide, for %(days)s days", days=days),
        Then.DROP: _("do not forward it"),
    }
    return {then.value: words for then, words in found.items() if then is not Then.TASKS or has_tasks}


def rule(row: UserRule, days: int) -> str:
    """A rule as a sentence."""
    what = {Through.ANY: _("Messages"), Through.TEXT: _("Texts"), Through.MAIL: _("Mail")}[row.through]
    parts = [
        what,
        _("from %(sender)s", sender=row.sender) if row.sender else "",
        _("with “%(word)s”", word=row.word) if row.word else "",
    ]
    return f"{' '.join(filter(None, parts))} → {thens(has_tasks=True, days=days)[row.then]}"


def text(found: PreparedText | Content | None) -> str:
    """What was said, as far as it is still here."""
    if found is None:
        return ""
    if isinstance(found, PreparedText):
        return "\n\n".join(part for part in (found.head, found.text, found.attached) if part)
    return found.text or found.subject or ""


def happened(event: AnyEvent, zone: str) -> str:  # noqa: C901 - it is a table
    """An event as its user reads it, in their time zone; "" for what says nothing to them."""
    match event:
        case Received():
            return _("Arrived")
        case Begun():
            return _("Sent to Omi")
        case Settled(state=DeliveryState.SENDING) | PartMade() | Unknown():
            return ""
        case Settled(cause=cause, until=until):
            reason = Reason.read(cause)
            if reason is Reason.OTHER or ("%(time)s" in reason.label and until is None):
                return ""
            said = _ended(event, zone)
            return said[:1].upper() + said[1:]
        case Replayed():
            return _("Sent once more")
        case SeenInOmi():
            return _("Confirmed by Omi")
        case HeldByRule():
            return _("Held by your rule")
        case Released():
            return _("Let through")
        case DroppedByOperator() | DroppedFromQuarantine():
            return _("Dropped")
        case TextShown():
            return _("An operator of this service looked at its text")
        case WholeAsked():
            return _("You asked for the whole mail")
        case _:
            assert_never(event)


def _ended(event: Settled, zone: str) -> str:
    label = Reason.read(event.cause).label
    if event.until and "%(time)s" in label:
        return _(label, time=f"{local(event.until, zone):%H:%M}")
    return _(label)


def _reason(mine: Mapping[str, Any], preferences: Preferences) -> str:
    if preferences.paused:
        return _(Reason.PAUSED.label)
    label = Reason.read(mine.get("cause")).label
    if "%(time)s" not in label:
        return _(label)
    until = local(datetime.fromisoformat(mine["until"]), preferences.time_zone)
    return _(label, time=f"{until:%H:%M}")


def quotas(found: Mapping[Kind, Quota]) -> list[dict[str, Any]]:
    """What is left of Omi's limits, where Omi has named them."""
    names = {Kind.CONVERSATION: _("conversations"), Kind.MEMORIES: _("memories")}
    return [
        {
            "left": quota.left,
            "limit": quota.limit,
            "words": _("%(left)s of %(limit)s %(what)s left this hour", left=quota.left, limit=quota.limit, what=name),
        }
        for kind, quota in found.items()
        if quota.limit is not None and (name := names.get(kind))
    ]
