"""The operator's pages: off unless a password hash is set; throttled, timed out, every change behind CSRF."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import pyotp
from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from werkzeug.wrappers import Response as AnyResponse

from integration_app import logs, operations
from integration_app.bootstrap import Services
from integration_app.model import MessageState, read_event
from integration_app.operations.alerting.alerts import Alerts
from integration_app.operations.alerting.channels import channels
from integration_app.operations.alerting.problems import standing, to_look_at
from integration_app.operations.checks import every
from integration_app.operations.events import sentences
from integration_app.web import auditing, passwords, security
from integration_app.web.charts import Chart, chart
from integration_app.web.routes import Route, add_routes
from integration_app.web.security import OPERATOR_IDLE, OPERATOR_LONGEST, device, page

log = logs.get(__name__)

BY = "operator"
OPERATOR = "/operator"  # no uid looks like it
RATE = 60.0


@page()
def logout(services: Services) -> AnyResponse:
    services.auth.sessions.end(OPERATOR, services.auth.sessions.id_of(OPERATOR, str(session.get("operator_key"))))
    _end()
    return redirect(url_for("operator.login"), 303)


@page()
def overview(services: Services) -> str:
    found, told = [*standing(services).problems, *to_look_at(services)], services.alerting.told()
    problems = [
        {"what": row.what, "cure": row.cure, "since": f"{told[row.key].since:%d %b %H:%M}" if row.key in told else ""}
        for row in found
    ]
    stands = operations.overview(services)
    return render_template("operator/overview.html", **stands, problems=problems, charts=_charts(stands, services))


def _charts(stands: dict[str, Any], services: Services) -> dict[str, Chart]:
    rates, now, each = stands["rates"], services.clock(), timedelta(minutes=5)
    hour = {"accepted": rates["accepted_hour"], "delivered": rates["delivered_hour"]}
    day = {"accepted": rates["accepted_day"], "delivered": rates["delivered_day"], "failed": rates["failed_day"]}
    return {
        "Last hour": chart(hour, each=each, until=now),
        "Last day": chart(day, each=each, until=now, joined=12),
    }


@page()
def messages(services: Services) -> str:
    wanted = {name: request.args.get(name, "")[:200] for name in ("uid", "state", "provider", "sender")}
    since = operations.moment(request.args.get("since", ""))
    rows = operations.messages(services, limit=100, since=since, **wanted)
    states = [*(state.value for state in MessageState), "recorded"]
    return render_template(
        "operator/messages.html", rows=rows, wanted=wanted, states=states, providers=list(services.providers)
    )


@page()
def message(services: Services, message_id: str) -> str | tuple[str, int]:
    whole = request.form.get("whole") == "1"
    text = operations.text_of(services, message_id, by=BY, whole=whole) if request.method == "POST" else None
    story = services.timeline.show(message_id)
    if story is None:
        return render_template("operator/gone.html"), 404
    return render_template(
        "operator/message.html", story=story, told=_told(story), parked=_parked(services, story), text=text
    )


def _told(story: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """When, how long after the one before, and what happened."""
    rows, before = [], None
    for event in story["events"]:
        at = datetime.fromisoformat(event["at"])
        rows.append(
            (event["at"], _after((at - before).total_seconds()) if before else "", sentences(read_event(event)))
        )
        before = at
    return rows


def _after(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"+{seconds / size:.1f} {unit}"
    return f"+{max(0.0, seconds):.2f} s"


def _parked(services: Services, story: dict[str, Any]) -> list[str]:
    """Its deliveries that are dead letters now."""
    named = dict.fromkeys(event["delivery"] for event in story["events"] if event.get("delivery"))
    return [name for name in named if services.dead_letters.parked_at(name) is not None]


@page()
def dead_letters(services: Services) -> str:
    rows = operations.dead_letters(services, uid=request.args.get("uid", ""), reason=request.args.get("reason", ""))
    running = services.replays.status(request.args.get("replay", ""))
    return render_template("operator/dead_letters.html", rows=rows, running=running)


@page()
def act_on_dead_letters(services: Services) -> str | AnyResponse:
    ids, what = request.form.getlist("id"), request.form.get("what")
    if what == "replay" and request.form.get("sure") == "yes":
        made = operations.replay(services, ids, by=BY, rate=RATE, blind=request.form.get("blind") == "yes")
        return redirect(url_for("operator.dead_letters", replay=made), 303)
    if what == "cancel":
        services.replays.cancel(request.form.get("replay", ""))
        return redirect(url_for("operator.dead_letters", replay=request.form.get("replay")), 303)
    if what == "drop" and request.form.get("sure") == "yes":
        for delivery_id in ids:
            services.replays.drop(delivery_id, by=BY)
        return redirect(url_for("operator.dead_letters"), 303)
    return render_template(
        "operator/cost.html", cost=operations.cost(services, ids, RATE), ids=ids, what=what, rate=RATE
    )


@page()
def quarantine(services: Services) -> str:
    rows = [
        {"id": row[0], "uid": row[1], "at": row[2], "story": services.timeline.show(row[0])}
        for row in services.quarantine.held(limit=200)
    ]
    return render_template("operator/quarantine.html", rows=rows)


@page()
def settle(services: Services) -> AnyResponse:
    message_id, uid, now = request.form.get("id", ""), request.form.get("uid", ""), services.clock()
    if request.form.get("what") == "release":
        services.quarantine.release(message_id, uid, by=BY, now=now)
    elif request.form.get("sure") == "yes":
        services.quarantine.drop(message_id, uid, why=BY, now=now)
    return redirect(url_for("operator.quarantine"), 303)


@page()
def installations(services: Services) -> str:
    return render_template("operator/installations.html", rows=operations.installations(services))


@page()
def outboxes(services: Services) -> str:
    return render_template("operator/outboxes.html", rows=operations.outboxes(services))


@page()
def outbox(services: Services, uid: str) -> str | tuple[str, int]:
    found = operations.outbox(services, uid)
    if found is None:
        return render_template("operator/gone.html"), 404
    return render_template("operator/outbox.html", box=found)


@page()
def providers(services: Services) -> str:
    uids = services.installations.uids()[:200]
    said = session.pop("said", None)
    return render_template("operator/providers.html", rows=operations.providers(services), uids=uids, said=said)


@page()
def test(services: Services, name: str) -> AnyResponse:
    session["said"] = f"{name}: {operations.send_test(services, name, request.form.get('uid', ''))}"
    return redirect(url_for("operator.providers"), 303)


@page()
def health(services: Services) -> str:
    return render_template("operator/health.html", checks=list(every(services)), said=session.pop("said", None))


@page()
def test_alert(services: Services) -> AnyResponse:
    where = channels(services.settings, services.clock)
    failed = Alerts(services, where).test()
    names = " and ".join(channel.name for channel in where)
    session["said"] = "; ".join(failed) or (
        f"sent to {names}" if where else "set ALERT_URLS or ALERT_WEBHOOK_URL first"
    )
    return redirect(url_for("operator.health"), 303)


@page()
def audit(services: Services) -> str:
    return render_template("operator/audit.html", acts=services.audit.latest())


_ROUTES: tuple[Route, ...] = (
    Route("/logout", logout, ("POST",)),
    Route("", overview),
    Route("/messages", messages),
    Route("/messages/<message_id>", message, ("GET", "POST")),
    Route("/dead-letters", dead_letters),
    Route("/dead-letters", act_on_dead_letters, ("POST",)),
    Route("/quarantine", quarantine),
    Route("/quarantine", settle, ("POST",)),
    Route("/installations", installations),
    Route("/outboxes", outboxes),
    Route("/outboxes/<uid>", outbox),
    Route("/providers", providers),
    Route("/providers/<name>/test", test, ("POST",), limit="30/minute"),
    Route("/health", health),
    Route("/health/alert", test_alert, ("POST",), limit="10/minute"),
    Route("/audit", audit),
)


def blueprint(services: Services, limiter: Limiter, password_hash: str | None) -> Blueprint:
    pages = Blueprint("operator", __name__, url_prefix="/operator")
    add_routes(pages, _ROUTES, services, limiter)
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
