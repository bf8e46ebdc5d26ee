"""What operators look at, and what they do about it. Who may is operator.py's."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flask import g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.model import MessageState, read_event
from integration_app.operations.alerting.alerts import Alerts
from integration_app.operations.alerting.channels import channels
from integration_app.operations.alerting.problems import standing, to_look_at
from integration_app.operations.checks import every
from integration_app.operations.events import sentences
from integration_app.web import operator_settings, operator_webhooks
from integration_app.web.charts import Chart, chart
from integration_app.web.routes import Route
from integration_app.web.security import page

BY = "operator"
RATE = 60.0
LISTED = 100
"""Messages on one page."""
SPANS = {"hour": (12, 1), "day": (288, 12), "week": (2016, 72)}
"""What a chart shows: five-minute slots, and how many of them make one bar."""


@page()
def overview(services: Services) -> str:
    found, told = [*standing(services).problems, *to_look_at(services)], services.alerting.told()
    known = services.alerting.acknowledged(now=services.clock())
    problems = [
        {
            "key": row.key,
            "what": row.what,
            "cure": row.cure,
            "since": told[row.key].since if row.key in told else None,
            "by": known.get((row.key, row.what)),  # more of it is another problem
        }
        for row in found
    ]
    span = request.args.get("span", "")
    span = span if span in SPANS else "day"
    return render_template(
        "operator/overview.html",
        **operations.overview(services),
        problems=[row for row in problems if not row["by"]],
        known=[row for row in problems if row["by"]],
        spans=list(SPANS),
        span=span,
        chart=_chart(services, span),
        today=operations.compared(services),
    )


def _chart(services: Services, span: str) -> Chart:
    slots, joined = SPANS[span]
    return chart(operations.rates(services, slots), each=timedelta(minutes=5), until=services.clock(), joined=joined)


@page()
def acknowledge(services: Services) -> AnyResponse:
    """An operator looks after it: for a day it stands below the others."""
    by = str(g.get("operator") or BY)
    what, words = request.form.get("what", "")[:200], request.form.get("words", "")[:500]
    services.alerting.acknowledge(what, words, by, now=services.clock())
    return redirect(url_for("operator.overview"), 303)


@page()
def messages(services: Services) -> str:
    wanted = {name: request.args.get(name, "")[:200] for name in ("uid", "state", "provider", "sender")}
    oldest = request.args.get("sort") == "oldest"
    since, until = (operations.moment(request.args.get(name, "")) for name in ("since", "until"))
    rows = operations.messages(services, limit=LISTED + 1, since=since, until=until, oldest_first=oldest, **wanted)
    return _listed(services, rows, wanted=wanted)


@page()
def search(services: Services) -> str:
    """By a form that is posted: words stay out of addresses. In the audit, for it shows who said what."""
    words = request.form.get("words", "").strip()[:100]
    rows = operations.search(services, words, limit=LISTED + 1) if words else []
    return _listed(services, rows, words=words)


def _listed(services: Services, rows: list[dict[str, Any]], *, wanted: Any = None, words: str = "") -> str:
    return render_template(
        "operator/messages.html",
        rows=rows[:LISTED],
        more=len(rows) > LISTED,
        wanted=wanted or {},
        words=words,
        states=[*(state.value for state in MessageState), "recorded"],
        providers=list(services.providers),
        kept=services.inbox.count(),
    )


@page()
def message(services: Services, message_id: str) -> str | tuple[str, int]:
    whole = request.form.get("whole") == "1"
    text = operations.text_of(services, message_id, by=BY, whole=whole) if request.method == "POST" else None
    story = services.timeline.show(message_id)
    if story is None:
        return render_template("operator/gone.html"), 404
    return render_template(
        "operator/message.html",
        story=story,
        told=_told(story),
        attempts=[event for event in story["events"] if event.get("delivery") and event["event"] != "begun"],
        parked=_parked(services, story),
        text=text,
        raw=json.dumps(story, indent=2, ensure_ascii=False, default=str),
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
    return render_template("operator/dead_letters.html", rows=rows, running=running, said=session.pop("said", None))


@page()
def act_on_dead_letters(services: Services) -> str | AnyResponse:
    ids, what = request.form.getlist("id"), request.form.get("what", "")
    if what.endswith(" all"):  # of what the page shows
        ids, what = request.form.getlist("shown"), what.removesuffix(" all")
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
    if not ids:
        session["said"] = "Pick at least one."
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


@page()
def settings(services: Services) -> str:
    return render_template("operator/settings.html", groups=operator_settings.shown(services))


ROUTES: tuple[Route, ...] = (
    Route("", overview),
    Route("/messages", messages),
    Route("/messages/search", search, ("POST",), limit="30/minute"),
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
    *operator_webhooks.ROUTES,
    Route("/health", health),
    Route("/health/alert", test_alert, ("POST",), limit="10/minute"),
    Route("/audit", audit),
    Route("/settings", settings),
    Route("/acknowledge", acknowledge, ("POST",)),
)
