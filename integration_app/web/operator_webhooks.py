"""The operator's page of endpoints that are told what happens."""

from __future__ import annotations

from flask import redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.model.webhook_events import SUBSCRIBABLE
from integration_app.web.routes import Route
from integration_app.web.security import page


@page()
def webhooks(services: Services) -> str:
    return _page(services, session.pop("said", None))


def _page(services: Services, said: str | None, secret: str | None = None) -> str:
    return render_template(
        "operator/webhooks.html",
        rows=operations.endpoints(services),
        kinds=[kind.value for kind in SUBSCRIBABLE],
        said=said,
        secret=secret,
    )


@page()
def act_on_webhooks(services: Services) -> AnyResponse | str:
    """Add one; or test, switch, rotate, remove or resend one. A new secret stands in the answer alone, in no cookie."""
    act, endpoint, now = request.form.get("act", ""), request.form.get("endpoint", "")[:40], services.clock()
    if act == "add":
        try:
            made, secret = operations.add_endpoint(
                services, request.form.get("url", "").strip(), request.form.getlist("events")
            )
        except ValueError as error:
            session["said"] = str(error)
        else:
            return _page(services, f"{made.id} is told what happens from now on.", secret)
    elif act == "remove" and request.form.get("sure") == "yes":
        services.endpoints.remove(endpoint)
        session["said"] = f"{endpoint} is removed."
    elif (found := services.endpoints.get(endpoint)) is None:
        session["said"] = "That endpoint is gone."
    elif act in ("test", "resend") and not found.is_on:
        session["said"] = f"{endpoint} is off, and is told nothing: switch it on first."
    elif act == "test":
        session["said"] = f"{services.feed.test(endpoint, now=now)} is on its way."
    elif act in ("on", "off"):
        services.endpoints.switch(endpoint, is_on=act == "on")
        session["said"] = f"{endpoint} is {act}."
    elif act == "rotate":
        secret = services.endpoints.rotate(endpoint, now=now)
        return _page(services, "The secret before signs too for a day.", secret)
    elif act == "resend":
        count = services.endpoints.resend(endpoint, request.form.getlist("event")[:1000], now=now)
        session["said"] = f"Sent once more: {count}."
    return redirect(url_for("operator.webhooks"), 303)


ROUTES: tuple[Route, ...] = (
    Route("/webhooks", webhooks),
    Route("/webhooks", act_on_webhooks, ("POST",), limit="30/minute"),
)
