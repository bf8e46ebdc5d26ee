"""A user's pages, in Omi's web view: prove yourself with a code that Omi shows, then link, look, choose, leave.

The uid in `/setup?uid=…` is a claim. Nothing is shown for it, and nothing changed, before the code has come back.
"""

from __future__ import annotations

import json
from typing import Any

import segno
from babel.dates import format_datetime
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.omi import AppNotEnabled, OmiError, RateLimited
from integration_app.store.installations import UID_PATTERN
from integration_app.web import actions, labels, language
from integration_app.web.security import asking, begin, caller, end_here, page, signed_in, to_start

log = logs.get(__name__)

MESSAGES_SHOWN = 12


def blueprint(services: Services, limiter: Limiter) -> Blueprint:  # noqa: C901 - a list of routes
    pages = Blueprint("setup", __name__)
    auth, settings = services.auth, services.settings

    # --- for everybody ------------------------------------------------------------------------------------

    @pages.get("/")
    @page()
    def home() -> str | AnyResponse:
        uid, known = _uid(request.args.get("uid")), signed_in(services)
        if known and uid in ("", known):
            return redirect(url_for("setup.me"), 303)
        return render_template("home.html", uid=uid)

    @pages.get("/privacy")
    @page(public=True)
    def privacy() -> str:
        return render_template("privacy.html", settings=settings)

    @pages.get("/support")
    @page(public=True)
    def support() -> str:
        return render_template("support.html", settings=settings)

    @pages.get("/setup/completed")
    def completed() -> Response:
        """As Omi asks it before it enables the app: unsigned, always 200, and it tells nothing else."""
        uid = _uid(request.args.get("uid"))
        try:
            done = bool(uid) and auth.login_codes.has_opened(uid)
        except Exception:  # noqa: BLE001 - Omi shows an error page for anything but 200
            done = False
        return jsonify(is_setup_completed=done)

    # --- proving the Omi account --------------------------------------------------------------------------

    @pages.get("/setup")
    @limiter.limit("60/minute")
    @page()
    def setup() -> str | AnyResponse:
        uid = _uid(request.args.get("uid"))
        if not uid:
            return to_start()
        if signed_in(services) == uid:
            return redirect(url_for("setup.me"), 303)
        auth.login_codes.opened(uid)
        step = "type" if request.args.get("step") == "type" else "ask"
        return render_template("setup.html", uid=uid, step=step)

    @pages.post("/setup/code")
    @limiter.limit("20/minute")
    @page()
    def send_code() -> str | AnyResponse:
        uid = _uid(request.form.get("uid"))
        if not uid:
            return to_start()
        if not auth.login_codes.may_send(uid, caller()):
            return render_template("setup.html", uid=uid, step="ask", problem="too many")
        try:
            code = auth.login_codes.make_code()
            services.omi.notify(uid, labels.code_message(code))
        except AppNotEnabled:
            auth.login_codes.was_not_sent(uid, caller())
            return render_template("setup.html", uid=uid, step="ask", problem="not enabled")
        except RateLimited:
            return render_template("setup.html", uid=uid, step="ask", problem="too many")
        except OmiError as error:
            log.warning("no code sent", why=error.reason)
            auth.login_codes.was_not_sent(uid, caller())
            return render_template("setup.html", uid=uid, step="ask", problem="omi")
        auth.login_codes.keep_code(uid, asking(), code)
        return redirect(url_for("setup.setup", uid=uid, step="type"), 303)

    @pages.post("/setup/verify")
    @limiter.limit("20/minute")
    @page()
    def verify() -> str | AnyResponse:
        uid, code = _uid(request.form.get("uid")), request.form.get("code", "")[:20]
        digits = "".join(sign for sign in code if sign.isdigit())
        if not uid:
            return to_start()
        if not auth.login_codes.take_code(uid, asking(), digits):
            return render_template("setup.html", uid=uid, step="type", problem="wrong code")
        services.installations.add(uid, now=services.clock())
        services.resume(uid)  # Omi has just shown them a code: a user who had left is back
        begin(services, uid)
        return redirect(url_for("setup.me"), 303)

    # --- signed in ----------------------------------------------------------------------------------------

    @pages.get("/me")
    @page()
    def me() -> str | AnyResponse:
        uid = signed_in(services)
        installation = services.installations.get(uid) if uid else None
        if uid is None or installation is None:
            return to_start()
        problem = session.pop("problem", None)
        return render_template("me.html", problem=problem, **_everything(services, uid))

    @pages.post("/me/<action>")
    @limiter.limit("60/minute")
    @page()
    def act(action: str) -> str | AnyResponse:
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
        return redirect(url_for("setup.me") if session.get("uid") else url_for("setup.home"), 303)

    @pages.get("/me/export")
    @page()
    def export() -> AnyResponse:
        uid = signed_in(services)
        if uid is None:
            return to_start()
        text = json.dumps(services.erasure.export(uid), indent=2, ensure_ascii=False, default=str)
        response = Response(text.encode("utf-8", "replace"), mimetype="application/json")
        response.headers["Content-Disposition"] = 'attachment; filename="omi-inbox.json"'
        return response

    return pages


# --- what is shown ------------------------------------------------------------------------------------------


def _everything(services: Services, uid: str) -> dict[str, Any]:
    installation = services.installations.get(uid)
    assert installation is not None  # noqa: S101 - asked before
    preferences = installation.preferences
    stories = services.timeline.latest(limit=MESSAGES_SHOWN, uid=uid)
    number, code = services.settings.inbox_phone, _link(services, uid)
    sms = f"sms:{number}?&body={code}" if number and code else None
    return {
        "installation": installation,
        "settings": services.settings,
        "preferences": preferences,
        "address": f"{installation.inbox_token}@{services.settings.inbox_domain}",
        "number": number,
        "link": code,
        "sms": sms,
        "qr": segno.make(sms, micro=False).svg_data_uri(scale=4, dark="#111", light="#fff") if sms else None,
        "messages": [labels.row(story, uid, preferences) | _sender(services, story["id"]) for story in stories],
        "quotas": labels.quotas(services.quotas.of(uid)),
        "waiting": services.outbox.size(uid),
        "sessions": services.auth.sessions.list(uid),
        "this_session": services.auth.sessions.id_of(str(session.get("key"))),
        "zones": labels.zones(preferences.time_zone),
        "spoken": labels.LANGUAGES,
        "local": lambda moment: labels.local(moment, preferences.time_zone),
        "when": lambda moment: format_datetime(moment, "d MMM HH:mm", locale=language.chosen()),
        "left": installation.left_at is not None,
    }


def _sender(services: Services, message_id: str) -> dict[str, str]:
    """Whole, for the eyes of the one whom it was sent to: how else to tell a stranger from a friend?"""
    story = services.inbox.story(message_id)
    return {"sender": story.message.sender} if story else {}


def _link(services: Services, uid: str) -> str | None:
    """The code that this browser was shown, while it still works."""
    code = session.get("link")
    return str(code) if code and services.auth.link_codes.has(uid, str(code)) else None


def _uid(value: str | None) -> str:
    """A uid of the form that Omi gives; "" for anything else."""
    return value if value and UID_PATTERN.fullmatch(value) else ""
