"""An invitation (`text/calendar`) as one readable line. Pure: unfolds and splits, knows six properties.

https://www.rfc-editor.org/rfc/rfc5545
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from integration_app.text.clean import one_line

_LOOKED_AT_MAX = 200_000
EVENTS_MAX = 20
_ABOUT_MAX = 2_000
_DURATION = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,3})H)?(?:(\d{1,4})M)?(?:\d+S)?)?")
_FOLD = re.compile(r"\r?\n[ \t]")
_LINE = re.compile(r"([A-Za-z-]{1,40})((?:;[^:\"]*(?:\"[^\"]*\"[^:\"]*)*)?):(.*)")
_ESCAPED = re.compile(r"\\([nN,;\\])")
_METHODS = {"REQUEST": "Invitation", "PUBLISH": "Event", "CANCEL": "Cancelled", "REPLY": "Answer to an invitation"}
_EVERY = {"DAILY": "every day", "WEEKLY": "every week", "MONTHLY": "every month", "YEARLY": "every year"}
_ANSWERS = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "maybe"}


@dataclass(slots=True)
class _Event:
    values: dict[str, tuple[str, str]] = field(default_factory=dict)  # name → parameters, value; the first one counts
    attendees: list[tuple[str, str]] = field(default_factory=list)


def invitations(text: str) -> list[str]:
    """For each event `[Invitation: Team sync, Mon 23 Nov 2026 10:00–11:00 (UTC), Room 4, from a@example.com]`, and its
    description below.
    """
    events, method = _events(text[:_LOOKED_AT_MAX])
    return [_told(event, method) for event in events[:EVENTS_MAX]]


def _told(event: _Event, method: str) -> str:
    parts = [_text(event, "SUMMARY") or "(no title)", _when(event), _text(event, "LOCATION")]
    parts.append(_EVERY.get(_rule(event), ""))
    if method == "REPLY":
        parts += [_answer(event)]
    elif organizer := event.values.get("ORGANIZER"):
        parts.append(f"from {_person(*organizer)}")
    line = f"[{_METHODS.get(method, 'Event')}: {', '.join(part for part in parts if part)}]"
    about = event.values.get("DESCRIPTION", ("", ""))[1]
    said = _ESCAPED.sub(lambda found: "\n" if found.group(1) in "nN" else found.group(1), about).strip()
    return f"{line}\n{said[:_ABOUT_MAX]}" if said else line


def _events(text: str) -> tuple[list[_Event], str]:
    """Events and tasks, and what the calendar wants with them."""
    found_all: list[_Event] = []
    event: _Event | None = None
    method, inside = "", 0
    for line in _FOLD.sub("", text).splitlines():
        found = _LINE.fullmatch(line[:8000])
        if not found:
            continue
        name, params, value = found.group(1).upper(), found.group(2), found.group(3)
        if name == "METHOD" and not method:
            method = value.strip().upper()
        elif name == "BEGIN":
            inside += 1 if event else 0
            if value.strip().upper() in ("VEVENT", "VTODO") and event is None:
                event = _Event()
        elif name == "END":
            if event and not inside:
                found_all.append(event)
                event = None
            inside = max(0, inside - 1)
        elif event and not inside:  # an alarm inside the event has a description of its own
            event.values.setdefault(name, (params, value))
            if name == "ATTENDEE":
                event.attendees.append((params, value))
    return [*found_all, event] if event else found_all, method


def _text(event: _Event, name: str) -> str:
    value = event.values.get(name, ("", ""))[1]
    return one_line(_ESCAPED.sub(lambda found: " " if found.group(1) in "nN" else found.group(1), value), 200)


def _when(event: _Event) -> str:
    params, value = event.values.get("DTSTART", ("", ""))
    start, end = _moment(value), _moment(event.values.get("DTEND", ("", ""))[1])
    if start is None:
        due = _moment(event.values.get("DUE", ("", ""))[1])
        return f"due {due:%a %d %b %Y}" if due else ""
    lasts = _DURATION.fullmatch(event.values.get("DURATION", ("", ""))[1].strip())
    if end is None and lasts and isinstance(start, datetime):
        days, hours, minutes = (int(part or 0) for part in lasts.groups())
        end = start + timedelta(days=days, hours=hours, minutes=minutes)
    if not isinstance(start, datetime):
        last = end - timedelta(days=1) if end and not isinstance(end, datetime) else start
        return f"{start:%a %d %b %Y}{f' – {last:%a %d %b %Y}' if last > start else ''}, all day"
    zone = re.search(r"TZID=\"?([^;\":]{1,60})", params)
    place = "UTC" if value.strip().endswith("Z") else zone.group(1) if zone else ""
    said = f"{start:%a %d %b %Y %H:%M}"
    if isinstance(end, datetime):
        said += f"–{end:%H:%M}" if end.date() == start.date() else f" – {end:%a %d %b %Y %H:%M}"
    return f"{said} ({place})" if place else said


def _moment(value: str) -> datetime | date | None:
    text = value.strip().rstrip("Z")
    try:
        if "T" in text:
            return datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - its zone is said in words
        return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007
    except ValueError:
        return None


def _rule(event: _Event) -> str:
    found = re.search(r"FREQ=([A-Z]+)", event.values.get("RRULE", ("", ""))[1].upper()[:500])
    return found.group(1) if found else ""


def _answer(event: _Event) -> str:
    if not event.attendees:
        return ""
    params, value = event.attendees[0]
    found = re.search(r"PARTSTAT=([A-Z-]+)", params.upper())
    return f"{_person(params, value)}: {_ANSWERS.get(found.group(1), found.group(1).lower())}" if found else ""


def _person(params: str, value: str) -> str:
    name = re.search(r"CN=(?:\"([^\"]{1,200})\"|([^;:\"]{1,200}))", params)
    address = re.sub(r"(?i)^mailto:", "", value.strip())
    said = (name.group(1) or name.group(2)) if name else ""
    return one_line(f"{said} <{address}>" if said and said != address else address, 200)
