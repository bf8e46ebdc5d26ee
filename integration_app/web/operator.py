"""The operator's pages: off unless a password hash is set; throttled, timed out, every change behind CSRF."""

from __future__ import annotations

import secrets

import pyotp
from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.web import auditing, passwords, security
from integration_app.web.operator_pages import ROUTES
from integration_app.web.routes import Route, add_routes
from integration_app.web.security import OPERATOR_IDLE, OPERATOR_LONGEST, device, page

log = logs.get(__name__)

OPERATOR = "/operator"  # no uid looks like it


@page()
def logout(services: Services) -> AnyResponse:
    services.auth.sessions.end(OPERATOR, services.auth.sessions.id_of(OPERATOR, str(session.get("operator_key"))))
    _end()
    return redirect(url_for("operator.login"), 303)


def blueprint(services: Services, limiter: Limiter, password_hash: str | None) -> Blueprint:
    pages = Blueprint("operator", __name__, url_prefix="/operator")
    add_routes(pages, (Route("/logout", logout, ("POST",)), *ROUTES), services, limiter)
    auditing.install(pages, services, "pages")

    has_code = services.settings.operator_totp_secret is not None

    @pages.before_request
    def _only_signed_in() -> AnyResponse | None:
        g.is_page = True
        if request.endpoint == "operator.login":
            return None
        if named := security.operator_of_proxy(services):
            g.operator = named
            return None
        now = services.clock()
        seen, since = (float(session.get(f"operator_{name}") or 0) for name in ("seen", "since"))
        idle, old = now.timestamp() - seen, now.timestamp() - since
        key = str(session.get("operator_key") or "")
        too_late = idle > OPERATOR_IDLE.total_seconds() or old > OPERATOR_LONGEST.total_seconds()
        if too_late or not services.auth.sessions.has(OPERATOR, key, now=now):
            _end()
            return redirect(url_for("operator.login"), 303)
        if "X-Live" not in request.headers:  # a live refresh is no activity
            session["operator_seen"] = now.timestamp()
        return None

    @pages.route("/login", methods=["GET", "POST"])
    @limiter.limit("5/minute;30/hour", methods=["POST"])
    @limiter.limit(
        "100/hour", methods=["POST"], key_func=_known_device, deduct_when=lambda answer: answer.status_code == 403
    )
    @page()
    def login() -> str | AnyResponse | tuple[str, int]:
        if password_hash is None:
            abort(403)  # the proxy signs operators in
        if request.method == "GET":
            return render_template("operator/login.html", wrong=False, has_code=has_code)
        try:
            right = passwords.is_right(password_hash, request.form.get("password", "")[:1000])
            right = right and (not has_code or _is_second_factor(services, request.form.get("code", "")))
        except passwords.Busy:
            abort(429)
        if not right:
            log.warning("operator login refused")
            return render_template("operator/login.html", wrong=True, has_code=has_code), 403
        _end()  # nothing of before survives: no fixed session
        now = services.clock()
        session["operator_seen"] = session["operator_since"] = now.timestamp()
        session.permanent = True
        session["operator_device"] = session.get("operator_device") or secrets.token_hex(8)
        session["operator_key"] = services.auth.sessions.begin(OPERATOR, device(), now=now)
        log.info("operator signed in")
        return redirect(url_for("operator.overview"), 303)

    return pages


def _is_second_factor(services: Services, given: str) -> bool:
    """Whether it is the code of this half minute, or of the one before or after; each works once."""
    totp = pyotp.TOTP(str(services.settings.operator_totp_secret).replace(" ", ""))
    code = "".join(sign for sign in given[:20] if sign.isdigit())
    return totp.verify(code, for_time=services.clock(), valid_window=1) and services.auth.is_new_code(code)


def _known_device() -> str:
    """All guesses share one count; a browser that signed in before has its own, so strangers cannot lock it out."""
    return f"operator {session.get('operator_device', 'anybody')}"


def _end() -> None:
    """Take the operator's part out of the cookie; a user's stays."""
    for name in ("operator_seen", "operator_since", "operator_key", "said", "csrf_token"):
        session.pop(name, None)
