"""What the pages say about states and times, in the user's language and zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from integration_app.model import RECORDED, Content, Kind, MessageState, Preferences, PreparedText, Reason
from integration_app.store.quota import Quota
from integration_app.text.clean import one_line
from integration_app.web.language import say as _

TITLE_MAX = 70
"""Characters of a message that stand for it in a list."""
ICONS = {"sms": "text", "whatsapp": "text", "rcs": "text", "call": "call", "email": "mail"}

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
            return _("held: we do not believe its sender")
        case MessageState.PARKED:
            return _("could not be delivered")
        case MessageState.DROPPED:
            return _("not forwarded")
        case MessageState.WAITING | MessageState.SENDING:
            return _reason(mine, preferences)


def _reason(mine: Mapping[str, Any], preferences: Preferences) -> str:
    if preferences.paused:
        return _(Reason.PAUSED.label)
    label = Reason.read(mine.get("cause")).label
    if "%(time)s" not in label:
        return _(label)
    until = local(datetime.fromisoformat(mine["until"]), preferences.time_zone)
    return _(label, time=f"{until:%H:%M}")


def quotas(found: Mapping[Kind, Quota]) -> list[str]:
    """What is left of Omi's limits, where Omi has named them."""
    names = {Kind.CONVERSATION: _("conversations"), Kind.MEMORIES: _("memories")}
    return [
        _("%(left)s of %(limit)s %(what)s left this hour", left=quota.left, limit=quota.limit, what=names[kind])
        for kind, quota in found.items()
        if quota.limit is not None and kind in names
    ]
