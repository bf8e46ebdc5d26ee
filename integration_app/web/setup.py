"""A user's pages, in Omi's web view: prove yourself with a code that Omi shows, then link, look, choose, leave.

The uid in `/setup?uid=…` is a claim. Nothing is shown for it, and nothing changed, before the code has come back.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import segno
from flask import Blueprint, Response, jsonify, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.model import Kind
from integration_app.omi import AppNotEnabled, OmiError, RateLimited
from integration_app.store.installations import UID_PATTERN
from integration_app.web import language, words
from integration_app.web.guard import begin, caller, page, signed_in, to_start

log = logs.get(__name__)

KEEP_OLD_ADDRESS = timedelta(hours=24)
MESSAGES_SHOWN = 12
_SENDER = re.compile(r"[^\s@,;<>\"]{0,64}@[a-z0-9.-]{1,253}\.[a-z0-9-]{2,63}")
_NAMED = re.compile(r"[^<>,;\n]*<([^<>]*)>")
_SENDERS_MAX = 50


def blueprint(services: Services, limiter: Limiter) -> Blueprint:  # noqa: C901 - a list of routes
    pages = Blueprint("setup", __name__)
    people, settings = services.people, services.settings

    # --- for everybody ------------------------------------------------------------------------------------

    @pages.get("/")
    @page()
    def home() -> str | AnyResponse:
        if signed_in(services):
            return redirect(url_for("setup.me"), 303)
        return render_template("home.html", uid=_uid(request.args.get("uid")))

    @pages.get("/privacy")
    @page(public=True)
    def privacy() -> str:
        return render_template("privacy.html", settings=settings)

    @pages.get("/support")
    @page(public=True)
    def support() -> str:
        return render_template("support.html")

    @pages.get("/setup/completed")
    def completed() -> Response:
        """As Omi asks it before it enables the app: unsigned, always 200, and it tells nothing else."""
        uid = _uid(request.args.get("uid"))
        try:
            done = bool(uid) and people.has_opened(uid)
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
        people.opened(uid)
        return render_template("setup.html", uid=uid, step="ask")

    @pages.post("/setup/code")
    @limiter.limit("20/minute")
    @page()
    def send_code() -> str | AnyResponse:
        uid = _uid(request.form.get("uid"))
        if not uid:
            return to_start()
        if not people.may_send(uid, caller()):
            return render_template("setup.html", uid=uid, step="ask", problem="too many")
        try:
            services.omi.notify(uid, words.code_message(people.new_code(uid)))
        except AppNotEnabled:
            return render_template("setup.html", uid=uid, step="ask", problem="not enabled")
        except RateLimited:
            return render_template("setup.html", uid=uid, step="ask", problem="too many")
        except OmiError as error:
            log.warning("no code sent", why=error.reason)
            return render_template("setup.html", uid=uid, step="ask", problem="omi")
        return render_template("setup.html", uid=uid, step="type")

    @pages.post("/setup/verify")
    @limiter.limit("20/minute")
    @page()
    def verify() -> str | AnyResponse:
        uid, code = _uid(request.form.get("uid")), request.form.get("code", "")[:20]
        digits = "".join(sign for sign in code if sign.isdigit())
        if not uid or not people.take_code(uid, digits):
            return render_template("setup.html", uid=uid or "", step="type", problem="wrong code")
        services.installations.add(uid, now=services.clock())
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
            session.clear()
            return render_template("erased.html", receipt=receipt)
        _ACTIONS.get(action, _nothing)(services, uid)
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


# --- what a user may do -------------------------------------------------------------------------------------


def _nothing(services: Services, uid: str) -> None:
    return


def _link_code(services: Services, uid: str) -> None:
    session["link"] = services.people.new_link_code(uid)


def _new_address(services: Services, uid: str) -> None:
    services.installations.new_inbox(uid, keep=KEEP_OLD_ADDRESS)


def _unlink(services: Services, uid: str) -> None:
    services.installations.unlink_phone(uid, request.form.get("phone", "")[:20])


def _pause(services: Services, uid: str) -> None:
    _prefer(services, uid, paused=request.form.get("paused") == "yes")
    services.due.set(uid, services.clock())


def _preferences(services: Services, uid: str) -> None:
    asked = request.form
    kind = {"conversation": Kind.CONVERSATION, "memories": Kind.MEMORIES}.get(asked.get("import_as", ""))
    senders = _senders(asked.get("senders", ""))
    if senders is None:  # never guess: a list that is read wrongly lets strangers in
        installation = services.installations.get(uid)
        senders = installation.preferences.senders if installation else ()
        session["problem"] = "senders"
    zone = asked.get("time_zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = "UTC"
    spoken = asked.get("language", "")
    _prefer(
        services,
        uid,
        import_as=kind,
        language=spoken if spoken in words.SPOKEN else None,
        senders=senders,
        automatic=asked.get("automatic") == "yes",
        time_zone=zone,
    )


def _senders(text: str) -> tuple[str, ...] | None:
    """Addresses and @domains of a list as people write it; None when any of it is neither."""
    parts = [part for part in re.split(r"[\s,;]+", _NAMED.sub(r" \1 ", text.lower())) if part]
    if len(parts) > _SENDERS_MAX or not all(_SENDER.fullmatch(part) for part in parts):
        return None
    return tuple(dict.fromkeys(parts))


def _release(services: Services, uid: str) -> None:
    services.quarantine.release(request.form.get("message", "")[:60], uid, by="the user", now=services.clock())


def _drop(services: Services, uid: str) -> None:
    services.quarantine.drop(request.form.get("message", "")[:60], uid, why="the user", now=services.clock())


def _end_session(services: Services, uid: str) -> None:
    services.people.end_session(uid, request.form.get("session", "")[:80])


def _sign_out(services: Services, uid: str) -> None:
    services.people.end_session(uid, services.people.session_id(str(session.get("key"))))
    session.clear()


def _sign_out_everywhere(services: Services, uid: str) -> None:
    services.people.end_sessions(uid)
    session.clear()


_ACTIONS = {
    "link-code": _link_code,
    "new-address": _new_address,
    "unlink": _unlink,
    "pause": _pause,
    "preferences": _preferences,
    "release": _release,
    "drop": _drop,
    "end-session": _end_session,
    "sign-out": _sign_out,
    "sign-out-everywhere": _sign_out_everywhere,
}


def _prefer(services: Services, uid: str, **changes: Any) -> None:
    installation = services.installations.get(uid)
    if installation:
        services.installations.prefer(uid, replace(installation.preferences, **changes))


# --- what is shown ------------------------------------------------------------------------------------------


def _everything(services: Services, uid: str) -> dict[str, Any]:
    installation = services.installations.get(uid)
    assert installation is not None  # noqa: S101 - asked before
    preferences = installation.preferences
    stories = services.stories.latest(limit=MESSAGES_SHOWN, uid=uid)
    number, code = services.settings.inbox_phone, _link(services, uid)
    sms = f"sms:{number}?&body={code}" if number and code else None
    return {
        "installation": installation,
        "preferences": preferences,
        "address": f"{installation.inbox_token}@{services.settings.inbox_domain}",
        "number": number,
        "link": code,
        "sms": sms,
        "qr": segno.make(sms, micro=False).svg_data_uri(scale=4, dark="#111", light="#fff") if sms else None,
        "messages": [words.row(story, uid, preferences) | _sender(services, story["id"]) for story in stories],
        "quotas": words.quotas(services.quotas.of(uid)),
        "waiting": services.outbox.size(uid),
        "sessions": services.people.sessions(uid),
        "this_session": services.people.session_id(str(session.get("key"))),
        "zones": words.zones(preferences.time_zone),
        "spoken": words.SPOKEN,
        "local": lambda moment: words.local(moment, preferences.time_zone),
        "language": language.chosen(),
        "left": installation.left_at is not None,
    }


def _sender(services: Services, message_id: str) -> dict[str, str]:
    """Whole, for the eyes of the one whom it was sent to: how else to tell a stranger from a friend?"""
    story = services.inbox.story(message_id)
    return {"sender": story.message.sender} if story else {}


def _link(services: Services, uid: str) -> str | None:
    """The code that this browser was shown, while it still works."""
    code = session.get("link")
    return str(code) if code and services.people.has_link_code(uid, str(code)) else None


def _uid(value: str | None) -> str:
    """A uid of the form that Omi gives; "" for anything else."""
    return value if value and UID_PATTERN.fullmatch(value) else ""
