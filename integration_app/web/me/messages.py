"""One message as its owner sees it, and a search through what came lately."""

from __future__ import annotations

from typing import Any

from babel.dates import format_datetime
from flask import abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app.bootstrap import Services
from integration_app.model import Installation
from integration_app.operations import replay
from integration_app.operations.messages import lately, parked_of
from integration_app.text.clean import one_line
from integration_app.web import labels, language
from integration_app.web.actions import prefer
from integration_app.web.me import own
from integration_app.web.me.rules import RULES_MAX, asked

SEARCHED, FOUND_MAX = 500, 50
TEXT_SHOWN = 20_000


@own
def message(services: Services, installation: Installation, message_id: str) -> str | AnyResponse:
    uid = installation.uid
    story = services.inbox.story(message_id[:60])
    if story is None or uid not in story.states:
        abort(404)
    text = services.inbox.text(story.id)
    zone = installation.preferences.time_zone
    return render_template(
        "me/message.html",
        row=labels.row(services.timeline.row(story), uid, installation.preferences) | {"title": labels.title(text)},
        sender=story.message.sender,
        text=labels.text(text)[:TEXT_SHOWN],
        made=services.inbox.made(story.id, uid),
        happened=[
            (labels.local(event.at, zone), said)
            for event in story.events
            if event.uid in (None, uid) and (said := labels.happened(event, zone))
        ],
        can_resend=bool(parked_of(services, story, uid)),
        can_rule=not story.message.hints,
        thens=labels.thens(has_tasks=services.omi.is_personal, days=round(services.settings.quarantine_days)),
        when=lambda moment: format_datetime(moment, "d MMM HH:mm", locale=language.chosen()),
        done=session.pop("done", None),
        problem=session.pop("problem", None),
    )


@own
def change_message(services: Services, installation: Installation, message_id: str) -> str | AnyResponse:
    uid = installation.uid
    story = services.inbox.story(message_id[:60])
    if story is None or uid not in story.states:
        abort(404)
    match request.form.get("do", ""):
        case "resend":
            if parked := parked_of(services, story, uid):
                replay(services, parked, by="the user")
                session["done"] = "resent"
        case "rule":
            rule = asked(has_tasks=services.omi.is_personal)
            kept = tuple(row for row in installation.preferences.rules if row != rule)
            if rule is None or len(kept) >= RULES_MAX:
                session["problem"] = "too many rules" if rule else "rule"
            else:
                prefer(services, uid, rules=(rule, *kept))
                services.due.set(uid, services.clock())  # what waits is looked at anew
                session["done"] = "ruled"
    return redirect(url_for("setup.message", message_id=story.id), 303)


@own
def search(services: Services, installation: Installation) -> str | AnyResponse:
    """By a form that is posted: what is looked for are people's words, and those stay out of addresses."""
    wanted = one_line(request.form.get("words", ""), 100)
    return render_template(
        "me/search.html",
        words=wanted,
        messages=_found(services, installation, wanted.casefold()) if wanted else [],
        searched=SEARCHED,
        when=lambda moment: format_datetime(moment, "d MMM HH:mm", locale=language.chosen()),
    )


def _found(services: Services, installation: Installation, wanted: str) -> list[dict[str, Any]]:
    uid, found = installation.uid, []
    for story, prepared in lately(services, uid, limit=SEARCHED):
        said = f"{story.message.sender}\n{prepared.head or ''}\n{prepared.text}".casefold()
        if all(word in said for word in wanted.split()):
            row = labels.row(services.timeline.row(story), uid, installation.preferences)
            found.append(row | {"title": labels.title(prepared), "sender": story.message.sender})
            if len(found) >= FOUND_MAX:
                break
    return found
