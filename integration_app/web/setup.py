"""A user's pages, in Omi's web view: prove yourself with a code that Omi shows, then link, look, choose, leave.

The uid in `/setup?uid=…` is a claim. Nothing is shown for it, and nothing changed, before the code has come back.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import segno
from babel.dates import format_datetime
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.model import PreparedText, WholeAsked
from integration_app.omi import AppNotEnabled, OmiError, RateLimited
from integration_app.providers import registry
from integration_app.store.installations import UID_PATTERN
from integration_app.text.addresses import shown
from integration_app.web import actions, labels, language
from integration_app.web.me import imports as me_imports
from integration_app.web.me import messages as me_messages
from integration_app.web.me import rules as me_rules
from integration_app.web.me import send as me_send
from integration_app.web.routes import Route, add_routes
from integration_app.web.security import asking, begin, caller, end_here, page, signed_in, to_start

log = logs.get(__name__)

MESSAGES_SHOWN, MESSAGES_MORE = 12, 100
HISTORY_SHOWN = 2_000
"""Characters of a hidden history that the page shows."""


@page()
def home(services: Services) -> str | AnyResponse:
    uid, known = _uid(request.args.get("uid")), signed_in(services)
    if known and uid in ("", known):
        return redirect(url_for("setup.me"), 303)
    return render_template("home.html", uid=uid)


@page(public=True)
def privacy(services: Services) -> str:
    return render_template("privacy.html", settings=services.settings)


@page(public=True)
def support(services: Services) -> str:
    return render_template("support.html", settings=services.settings)


def completed(services: Services) -> Response:
    """As Omi asks it before it enables the app: the same for every uid, so it tells strangers nothing. There is nothing
    to complete before: codes for signing in are shown by Omi, to users who have enabled the app.
    """
    return jsonify(is_setup_completed=True)


@page()
def setup(services: Services) -> str | AnyResponse:
    uid = _uid(request.args.get("uid"))
    if not uid:
        return to_start()
    if signed_in(services) == uid:
        return redirect(url_for("setup.me"), 303)
    step = "type" if request.args.get("step") == "type" else "ask"
    return render_template("setup.html", uid=uid, step=step)


@page()
def send_code(services: Services) -> str | AnyResponse:
    uid = _uid(request.form.get("uid"))
    if not uid:
        return to_start()
    if not services.auth.login_codes.may_send(uid, caller()):
        return render_template("setup.html", uid=uid, step="ask", problem="too many")
    try:
        code = services.auth.login_codes.make_code()
        services.omi.notify(uid, labels.code_message(code))
    except AppNotEnabled:
        services.auth.login_codes.was_not_sent(uid, caller())
        return render_template("setup.html", uid=uid, step="ask", problem="not enabled")
    except RateLimited:
        return render_template("setup.html", uid=uid, step="ask", problem="too many")
    except OmiError as error:
        log.warning("no code sent", why=error.reason)
        services.auth.login_codes.was_not_sent(uid, caller())
        return render_template("setup.html", uid=uid, step="ask", problem="omi")
    services.auth.login_codes.keep_code(uid, asking(), code)
    return redirect(url_for("setup.setup", uid=uid, step="type"), 303)


@page()
def verify(services: Services) -> str | AnyResponse:
    uid, code = _uid(request.form.get("uid")), request.form.get("code", "")[:20]
    digits = "".join(sign for sign in code if sign.isdigit())
    if not uid:
        return to_start()
    if not services.auth.login_codes.take_code(uid, asking(), digits):
        return render_template("setup.html", uid=uid, step="type", problem="wrong code")
    is_new = services.installations.get(uid) is None
    found = services.installations.add(uid, now=services.clock())
    if is_new and labels.is_zone(zone := request.form.get("zone", "")[:60]):
        services.installations.prefer(uid, replace(found.preferences, time_zone=zone))  # of their browser
    services.resume(uid)  # Omi has just shown them a code: a user who had left is back
    begin(services, uid)
    return redirect(url_for("setup.me"), 303)


@page()
def me(services: Services) -> str | AnyResponse:
    uid = signed_in(services)
    installation = services.installations.get(uid) if uid else None
    if uid is None or installation is None:
        return to_start()
    said = {"problem": session.pop("problem", None), "done": session.pop("done", None)}
    return render_template("me/home.html", **said, **_everything(services, uid))


@page()
def act(services: Services, action: str) -> str | AnyResponse:
    uid = signed_in(services)
    if uid is None or services.installations.get(uid) is None:
        return to_start()
    if action == "erase":
        if request.form.get("sure") != "yes":
            return redirect(f"{url_for('setup.me')}#leave", 303)
        receipt = services.erasure.erase(uid)
        end_here()
        return render_template("erased.html", receipt=receipt)
    actions.ACTIONS.get(action, actions.nothing)(services, uid)
    if action in actions.DONE and "problem" not in session:
        session["done"] = actions.DONE[action]
    if action == "undo" and request.form.get("back") == url_for("setup.rules"):
        return redirect(url_for("setup.rules"), 303)
    return redirect(url_for("setup.me") if session.get("uid") else url_for("setup.home"), 303)


@page()
def export(services: Services) -> AnyResponse:
    uid = signed_in(services)
    if uid is None:
        return to_start()
    text = json.dumps(services.erasure.export(uid), indent=2, ensure_ascii=False, default=str)
    response = Response(text.encode("utf-8", "replace"), mimetype="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="omi-inbox.json"'
    return response


_ROUTES: tuple[Route, ...] = (
    Route("/", home),
    Route("/privacy", privacy),
    Route("/support", support),
    Route("/setup/completed", completed, limit="120/minute"),
    Route("/setup", setup, limit="60/minute"),
    Route("/setup/code", send_code, ("POST",), limit="20/minute"),
    Route("/setup/verify", verify, ("POST",), limit="20/minute"),
    Route("/me", me, limit="240/minute"),  # a page that lies open asks forty times
    Route("/me/<action>", act, ("POST",), limit="60/minute"),
    Route("/me/export", export),
    Route("/me/rules", me_rules.rules),
    Route("/me/rules", me_rules.change_rules, ("POST",), limit="60/minute"),
    Route("/me/import", me_imports.imports, limit="240/minute"),
    Route("/me/import", me_imports.change_import, ("POST",), limit="20/minute"),
    Route("/manifest.webmanifest", me_send.manifest),
    Route("/me/write", me_send.write),
    Route("/me/share", me_send.share, ("GET", "POST"), limit="60/minute"),
    Route("/me/send", me_send.send, ("POST",), limit="60/minute"),
    Route("/me/search", me_messages.search, ("GET", "POST"), limit="20/minute"),
    Route("/me/message/<message_id>", me_messages.message, limit="120/minute"),
    Route("/me/message/<message_id>", me_messages.change_message, ("POST",), limit="60/minute"),
)


def blueprint(services: Services, limiter: Limiter) -> Blueprint:
    pages = Blueprint("setup", __name__)
    add_routes(pages, _ROUTES, services, limiter)
    return pages


# --- what is shown ------------------------------------------------------------------------------------------


def _everything(services: Services, uid: str) -> dict[str, Any]:
    installation = services.installations.get(uid)
    assert installation is not None  # noqa: S101 - asked before
    preferences = installation.preferences
    more = request.args.get("more") == "yes"
    stories = services.timeline.latest(limit=MESSAGES_MORE if more else MESSAGES_SHOWN, uid=uid)
    number, code = services.settings.inbox_phone, _link(services, uid)
    sms = f"sms:{number}?&body={code}" if number and code else None
    kinds = {
        spec.account.partition(":")[0]: spec.provider.messenger for spec in registry.specs().values() if spec.account
    }
    has_phone = bool(installation.numbers)
    return {
        "installation": installation,
        "settings": services.settings,
        "preferences": preferences,
        "address": services.settings.inbox_address(installation.inbox_token),
        "messengers": _messengers(services, code),
        "can_receipt": any(provider.gives_receipts for provider in services.providers.values()),
        "phones": [
            {
                "number": phone,
                "shown": shown(phone, kinds),
                "others": services.phones.others(uid, phone),
                "waiting": services.phones.waiting(uid, phone),
                "ends": services.phones.ends(uid, phone),
            }
            for phone in installation.phones
        ],
        "number": number,
        "link": code,
        "sms": sms,
        "qr": _qr(sms) if sms else None,
        "text_qr": _qr(f"sms:{number}") if number and has_phone else None,
        "has_phone": has_phone,
        "messages": [labels.row(story, uid, preferences) | _whole(services, story["id"], uid) for story in stories],
        "more": not more and len(stories) == MESSAGES_SHOWN,
        "quotas": labels.quotas(services.quotas.of(uid)),
        "waiting": services.outbox.size(uid),
        "refused": services.outbox.refused(uid, now=services.clock()),
        "pause_ends": (preferences.paused_at + timedelta(days=services.settings.pause_days))
        if preferences.paused_at
        else None,
        "sessions": services.auth.sessions.list(uid),
        "this_session": services.auth.sessions.id_of(uid, str(session.get("key"))),
        "zones": labels.zones(preferences.time_zone),
        "spoken": labels.LANGUAGES,
        "local": lambda moment: labels.local(moment, preferences.time_zone),
        "when": lambda moment: format_datetime(moment, "d MMM HH:mm", locale=language.chosen()),
        "left": installation.left_at is not None,
    }


def _whole(services: Services, message_id: str, uid: str) -> dict[str, Any]:
    """For the eyes of the one whom it was sent to: the sender (how else to tell a stranger from a friend?), and what
    was hidden of the mail that it answers.
    """
    story, text = services.inbox.story(message_id), services.inbox.text(message_id)
    history = text.history if isinstance(text, PreparedText) else ""
    shown = history[:HISTORY_SHOWN] + ("…" if len(history) > HISTORY_SHOWN else "")
    asked = any(isinstance(event, WholeAsked) and event.uid == uid for event in (story.events if story else ()))
    hidden: dict[str, Any] = {}
    if history:
        hidden = {"history": shown, "hidden": history.count("\n") + 1, "whole": asked}
    made = services.inbox.made(message_id, uid)
    hidden["title"] = labels.title(text)
    return hidden | ({"sender": story.message.sender} if story else {}) | ({"made": made} if made else {})


def _qr(what: str) -> str:
    return str(segno.make(what, micro=False).svg_data_uri(scale=4, dark="#111", light="#fff"))


def _messengers(services: Services, code: str | None) -> list[tuple[str, str]]:
    """Each that can be linked, with the address that opens it; "" before there is a code."""
    rows = [(row.messenger, row.link_url(code or "LINK")) for row in services.providers.values() if row.messenger]
    return [(name, url if code else "") for name, url in rows if url]


def _link(services: Services, uid: str) -> str | None:
    """The code that this browser was shown, while it still works."""
    code = session.get("link")
    return str(code) if code and services.auth.link_codes.has(uid, str(code)) else None


def _uid(value: str | None) -> str:
    """A uid of the form that Omi gives; "" for anything else."""
    return value if value and UID_PATTERN.fullmatch(value) else ""
