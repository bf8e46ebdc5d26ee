"""Bring along what is elsewhere: upload a file, see what would come of it, start, pause, stop."""

from __future__ import annotations

from flask import redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.model import ImportState, Installation, MessageState
from integration_app.text.clean import one_line
from integration_app.transfer.apart import read_apart
from integration_app.transfer.items import UnreadableFile
from integration_app.web import labels
from integration_app.web.me import own
from integration_app.web.security import FILE_MAX

log = logs.get(__name__)

SPANS = ("day", "week", "month")
_AN_HOUR = 10
"""Conversations that Omi takes in an hour, where it has not said otherwise."""
_SHOWN, _PREVIEWED = 20, 5
_WAITING = (MessageState.WAITING, MessageState.SENDING)


@own
def imports(services: Services, installation: Installation) -> str | AnyResponse:
    return _shown(services, installation)


@own
def change_import(services: Services, installation: Installation) -> str | AnyResponse:
    uid = installation.uid
    status = services.imports.status(uid)
    match request.form.get("do", ""):
        case "upload" if status is None or status.state in (ImportState.DRAFT, ImportState.DONE):
            if problem := _read(services, installation):
                return _shown(services, installation, problem)
        case "start" if status:
            services.imports.set_state(uid, status.id, ImportState.RUNNING)
        case "pause" if status:
            services.imports.set_state(uid, status.id, ImportState.PAUSED)
        case "forget":
            services.imports.erase(uid)
            session["done"] = "not imported" if status and status.state is ImportState.DRAFT else "forgotten"
    return redirect(url_for("setup.imports"), 303)


def _read(services: Services, installation: Installation) -> str:
    """Keep a file as a draft; what is wrong with it, where something is."""
    file, per = request.files.get("file"), request.form.get("per", "")
    data = file.read(FILE_MAX + 1) if file else b""
    if file:
        file.close()
    if not file or not data:
        return "choose a file first"
    if len(data) > FILE_MAX:
        return f"it is larger than {FILE_MAX // 1_000_000} MB: split it, or leave media out of the export"
    zone = installation.preferences.time_zone
    try:
        rows = read_apart(
            data,
            file.filename or "file",
            me=one_line(request.form.get("me", ""), 120),
            zone=zone if labels.is_zone(zone) else "UTC",
            per=per if per in SPANS else SPANS[0],
            has_tasks=services.omi.is_personal,
        )
    except UnreadableFile as error:
        log.info("a file was not imported", size=len(data))
        return str(error)
    if not rows:
        return "there is nothing in it that could be imported"
    room = services.settings.user_max_mb * 1_000_000
    if room and sum(len(row.text) for row in rows) > room / 4:
        return f"there is too much in it: {services.settings.user_max_mb / 4:g} MB of text are the most"
    services.importing.draft(installation.uid, one_line(file.filename or "file", 80), rows)
    return ""


def _shown(services: Services, installation: Installation, problem: str = "") -> str:
    uid, now, zone = installation.uid, services.clock(), installation.preferences.time_zone
    status = services.imports.status(uid)
    ids = status.message_ids if status else ()
    states = services.inbox.states(ids, uid)
    failed = [each for each, state in zip(ids, states, strict=True) if state is MessageState.PARKED]
    waiting = [each for each, state in zip(ids, states, strict=True) if state in _WAITING]
    return render_template(
        "me/import.html",
        status=status,
        state=status.state.value if status else "",
        problem=problem,
        hours=max(1, round(status.conversations / _AN_HOUR)) if status else 0,
        is_quick=not status or status.conversations < _AN_HOUR,
        waits=labels.local(status.until, zone) if status and status.until and status.until > now else None,
        first=[
            (row.started_at, one_line(row.text, labels.TITLE_MAX))
            for _, row in (services.imports.next(uid, _PREVIEWED) if status and not ids else ())
        ],
        why=_why(services, installation, waiting[-1]) if waiting else "",
        arrived=len(ids) - len(failed) - len(waiting),
        failed=[(each, labels.title(services.inbox.text(each))) for each in failed[:_SHOWN]],
        done=session.pop("done", None),
    )


def _why(services: Services, installation: Installation, message_id: str) -> str:
    """Why what was taken last has not arrived yet."""
    story = services.inbox.story(message_id)
    if story is None:
        return ""
    return str(labels.row(services.timeline.row(story), installation.uid, installation.preferences)["words"])
