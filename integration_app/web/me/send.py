"""Write, or share from another app, straight to one's Omi: the page as a door of its own."""

from __future__ import annotations

import secrets

from flask import Response, jsonify, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from integration_app.bootstrap import Services
from integration_app.errors import OverLimit
from integration_app.model import Content, Evidence, InboundMessage, Installation, Route
from integration_app.web.me import own
from integration_app.web.security import page

PAGE = "page"
"""Provider, channel and sender of what is written here."""
LONGEST = 20_000


@page(public=True)
def manifest(services: Services) -> Response:
    """For a phone's home screen, and its Share menu."""
    made = jsonify(
        name="Omi Inbox",
        short_name="Omi Inbox",
        start_url=url_for("setup.me"),
        scope="/",
        display="standalone",
        background_color="#ffffff",
        theme_color="#1a56c4",
        icons=[{"src": url_for("static", filename="icon.svg"), "sizes": "any", "type": "image/svg+xml"}],
        share_target={
            "action": url_for("setup.share"),
            "method": "POST",
            "enctype": "application/x-www-form-urlencoded",
            "params": {"title": "title", "text": "text", "url": "url"},
        },
    )
    made.mimetype = "application/manifest+json"
    return made


@own
def write(services: Services, installation: Installation) -> str:
    return _form("")


@own
def share(services: Services, installation: Installation) -> str:
    """From a phone's Share menu, which has no token of ours: nothing is sent before the user says so."""
    parts = (request.form.get(name, "").strip() for name in ("title", "text", "url"))
    return _form("\n".join(dict.fromkeys(filter(None, parts)))[:LONGEST])


@own
def send(services: Services, installation: Installation) -> str | AnyResponse:
    uid = installation.uid
    said, once = request.form.get("said", "").strip(), request.form.get("once", "")[:40]
    if not said or len(said) > LONGEST:
        return _form(said[:LONGEST], problem="long" if said else "empty")
    message = InboundMessage(
        provider=PAGE,
        event_id=once or secrets.token_hex(8),
        dedupe_keys=(f"{PAGE}:{uid}:{once or secrets.token_hex(8)}",),
        channel=PAGE,
        route=Route.UID,
        sender=PAGE,
        received_at=services.clock(),
        content=Content(text=said),
        recipients=(uid,),
        evidence=Evidence(platform=True),
    )
    try:
        services.intake.accept(message)
    except OverLimit:
        return _form(said, problem="limit")
    session["done"] = "sent"
    return redirect(url_for("setup.me"), 303)


def _form(said: str, problem: str = "") -> str:
    once = secrets.token_hex(8)
    return render_template("me/write.html", said=said, problem=problem, once=once, longest=LONGEST)
