"""What Omi itself calls: the manifest of chat tools, the tools, and the webhook of created memories.

Tools are answered 200 with a sentence, whatever a user asks: Omi takes anything else for a broken app.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request
from redis.exceptions import RedisError

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.store.installations import UID_PATTERN
from integration_app.web import actions, labels
from integration_app.web.omi_signature import is_tool_genuine, is_webhook_genuine
from integration_app.web.routes import Route, add_routes

log = logs.get(__name__)

BODY_MAX = 2_000_000
_COUNT = {"type": "integer", "description": "How many, up to ten"}
TOOLS: dict[str, tuple[str, dict[str, Any], list[str], str]] = {
    "inbox_status": (
        "Says what waits in the user's Omi Inbox and when it will arrive.",
        {},
        [],
        "Looking into your inbox…",
    ),
    "link_phone": ("Makes a code that links the user's phone when it is texted.", {}, [], "Making a code…"),
    "sign_in": (
        "Tells the code with which the user signs in to the inbox's page. Use it when no notification arrived.",
        {},
        [],
        "Making a code…",
    ),
    "recent_messages": (
        "Lists the texts and e-mails that arrived lately and what became of them.",
        {"count": _COUNT},
        [],
        "Looking at your messages…",
    ),
    "my_inbox_address": ("Tells the user's private e-mail address.", {}, [], "Looking up your address…"),
    "pause": (
        "Pauses the inbox, or goes on.",
        {"paused": {"type": "boolean", "description": "true pauses, false goes on"}},
        ["paused"],
        "One moment…",
    ),
}


def manifest(services: Services) -> Response:
    offered = TOOLS if services.settings.omi_webhook_secrets else {}  # without a secret no call could be believed
    return jsonify(
        tools=[
            {
                "name": name,
                "description": description,
                "endpoint": f"/omi/tools/{name}",
                "method": "POST",
                "parameters": {"properties": properties, "required": required},
                "auth_required": True,
                "status_message": status,
            }
            for name, (description, properties, required, status) in offered.items()
        ],
        # a push may be late, or lost: so the code for signing in stands in the app's chat, too
        chat_messages={"enabled": True, "target": "app", "notify": False},
    )


def call(services: Services, name: str) -> Response:
    request.max_content_length = BODY_MAX
    body = request.get_data()
    headers = request.headers
    delivery = headers.get("X-Omi-Delivery", "")
    target = str(request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path)
    genuine = is_tool_genuine(
        headers.get("X-Omi-Signature", ""),
        delivery=delivery,
        event=headers.get("X-Omi-Event", ""),
        method=request.method,
        path=target.partition("?")[0],
        query=target.partition("?")[2],
        body=body,
        secrets=services.settings.omi_webhook_secrets,
        now=services.clock(),
    )
    if not genuine or not delivery:
        log.info("a tool call was not signed", tool=name if name in TOOLS else "?")
        return jsonify(result="This call is not signed by Omi, so nothing was done.")
    if name not in TOOLS:
        return jsonify(result="There is no such tool.")
    try:
        if not services.auth.login_codes.is_new_delivery(delivery):
            return jsonify(result="This call was answered before.")
        return jsonify(result=_answer(services, name, body))
    except (RedisError, OSError, StoreUnfit):
        return jsonify(result="The inbox does not answer at this moment; please try again.")


def memory_created(services: Services) -> Response:
    """A conversation was made in Omi. Ours is confirmed in its messages' stories; the rest is not our business."""
    request.max_content_length = BODY_MAX
    uid, body = request.args.get("uid", ""), request.get_data()
    header = request.headers.get("X-Omi-Signature", "")
    if not is_webhook_genuine(header, uid, body, services.settings.omi_webhook_secrets, services.clock()):
        return jsonify(status="ignored")  # refusals for three days would switch the app off for everybody
    try:
        seen = services.sightings.heard(uid, _loaded(body), services.settings.omi_app_id)
    except (RedisError, OSError, StoreUnfit):
        return jsonify(status="ignored")
    return jsonify(status="ok", ours=seen)


_ROUTES: tuple[Route, ...] = (
    Route("/.well-known/omi-tools.json", manifest),
    Route("/omi/tools/<name>", call, ("POST",)),
    Route("/webhooks/omi", memory_created, ("POST",)),
)


def blueprint(services: Services) -> Blueprint:
    tools = Blueprint("tools", __name__)
    add_routes(tools, _ROUTES, services)
    return tools


def _link_phone(services: Services, uid: str) -> str:
    number, messengers = services.settings.inbox_phone, [row for row in services.providers.values() if row.messenger]
    if not number and not messengers:
        return "This inbox takes e-mail only."
    services.installations.add(uid, now=services.clock())  # a signed call: Omi vouches for the uid
    code = services.auth.link_codes.new(uid)
    ways = [f"text {code} to {number} from the phone to link"] if number else []
    ways += [f"send it in {row.messenger}: {url}" for row in messengers if (url := row.link_url(code))]
    said = ", or ".join(ways)
    return f"{said[:1].upper()}{said[1:]}, within 15 minutes."


def _answer(services: Services, name: str, body: bytes) -> str:
    asked = _loaded(body)
    uid = asked.get("uid")
    if not isinstance(uid, str) or not UID_PATTERN.fullmatch(uid):
        return "Omi did not say who is asking."
    if name == "link_phone":
        return _link_phone(services, uid)
    if name == "sign_in":
        return _sign_in(services, uid)
    installation = services.installations.get(uid)
    if installation is None:
        return "The inbox is not set up yet: open the app in Omi and follow its first page."
    tools: dict[str, Callable[[], str]] = {
        "inbox_status": lambda: _status(services, uid),
        "recent_messages": lambda: _recent(services, uid, asked.get("count")),
        "my_inbox_address": lambda: _address(services, installation.inbox_token),
        "pause": lambda: _pause(services, uid, asked.get("paused")),
    }
    return tools[name]()


def _address(services: Services, token: str) -> str:
    address = services.settings.inbox_address(token)
    return f"Your private address is {address}." if address else "This inbox takes texts only."


def _sign_in(services: Services, uid: str) -> str:
    """A signed call: Omi vouches for the uid, as a notification of Omi's would."""
    code = services.auth.login_codes.code_for_chat(uid)
    if code is None:
        return "That was too often; please try again in an hour."
    return labels.code_message(code)


def _status(services: Services, uid: str) -> str:
    installation = services.installations.get(uid)
    waiting = services.outbox.size(uid)
    if installation and installation.preferences.paused:
        return f"The inbox is paused; waiting: {waiting}."
    landings = services.estimates.of(uid)
    if not landings:
        return "Nothing waits."
    zone = installation.preferences.time_zone if installation else "UTC"
    return f"Waiting: {waiting}; the next one goes at {labels.local(landings[0].at, zone):%H:%M}: {landings[0].why}."


def _recent(services: Services, uid: str, count: Any) -> str:
    limit = min(max(count if isinstance(count, int) else 5, 1), 10)
    rows = services.timeline.latest(limit=limit, uid=uid)
    installation = services.installations.get(uid)
    if not rows or installation is None:
        return "Nothing has arrived yet."
    shown = [labels.row(story, uid, installation.preferences) for story in rows]
    return "; ".join(
        f"{row['when']:%d %b %H:%M} {row['channel']} from {row['sender']}: {row['words']}" for row in shown
    )


def _pause(services: Services, uid: str, paused: Any) -> str:
    if not isinstance(paused, bool):
        return "Say whether to pause or to go on."
    actions.pause(services, uid, paused=paused)
    return "The inbox is paused; what arrives waits." if paused else "The inbox goes on."


def _loaded(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
