"""The life of an app: made, opened by a user, checked and enabled, its chat tools called. `/_sandbox/apps/…`.

POST   /_sandbox/apps                       make one: id?, name, actions, webhook_url, setup_completed_url, auth_url,
                                            home_url, chat_tools_manifest_url; answers with its API key, once
GET    /_sandbox/apps                       all of them, with what was delivered to them
PATCH  /_sandbox/apps/{id}                  change one (the manifest is fetched again)
POST   /_sandbox/apps/{id}/keys             another API key
POST   /_sandbox/apps/{id}/webhook-secret   a secret to sign with; DELETE takes it away
GET    /_sandbox/apps/{id}/open?uid=        where the user's browser goes: the auth step, with ?uid=
POST   /_sandbox/apps/{id}/enable?uid=      polls setup_completed_url and enables, or 400 "App setup is not completed"
POST   /_sandbox/apps/{id}/disable?uid=
POST   /_sandbox/apps/{id}/tools/{name}?uid= call a chat tool with the JSON body as arguments
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from integration_app.sandbox import webhooks
from integration_app.sandbox.answers import plain
from integration_app.sandbox.state import CAPABILITIES, App, State, digest

_URLS = ("webhook_url", "setup_completed_url", "auth_url", "home_url")


def install(app: Flask, state: State) -> None:  # noqa: C901 - a list of routes
    apps = Blueprint("apps", __name__, url_prefix="/_sandbox/apps")

    def found(app_id: str) -> App | None:
        with state.lock:
            return state.apps.get(app_id)

    @apps.errorhandler(KeyError)
    def unknown(_: KeyError) -> tuple[Response, int]:
        return jsonify(error="App not found"), 404

    @apps.get("")
    def every() -> Response:
        with state.lock:
            return jsonify(apps=[_view(item) for item in state.apps.values()])

    @apps.post("")
    def make() -> tuple[Response, int]:
        asked = _json()
        unknown_actions = set(asked.get("actions") or ()) - {*CAPABILITIES, "create_memories", "read_facts"}
        if unknown_actions:
            return jsonify(error=f"unknown actions: {', '.join(sorted(map(str, unknown_actions)))}"), 422
        if not asked.get("actions") and not asked.get("webhook_url"):
            return jsonify(error="Triggers on or actions is required"), 422
        key = f"sk_{secrets.token_hex(16)}"
        made = App(str(asked.get("id") or f"app_{secrets.token_hex(6)}"), {digest(key)})
        made.actions = set(asked.get("actions") or ())
        _change(made, asked)
        with state.lock:
            state.apps[made.id] = made
        return jsonify(_view(made) | {"api_key": key}), 201

    @apps.patch("/<app_id>")
    def change(app_id: str) -> Response:
        item = state.apps[app_id]
        asked = _json()
        if "actions" in asked:
            item.actions = set(asked["actions"])
        _change(item, asked)
        return jsonify(_view(item))

    @apps.post("/<app_id>/keys")
    def another_key(app_id: str) -> Response:
        key = f"sk_{secrets.token_hex(16)}"
        with state.lock:
            state.apps[app_id].key_digests.add(digest(key))
        return jsonify(api_key=key, label=f"{key[:7]}...{key[-4:]}")

    @apps.route("/<app_id>/webhook-secret", methods=["POST", "DELETE"])
    def secret(app_id: str) -> Response:
        state.apps[app_id].webhook_secret = f"whsec_{secrets.token_hex(24)}" if request.method == "POST" else None
        return jsonify(secret=state.apps[app_id].webhook_secret)

    @apps.get("/<app_id>/open")
    def opened(app_id: str) -> AnyResponse:
        item = state.apps[app_id]
        url = item.auth_url or item.home_url
        if not url:
            return jsonify(error="the app has neither auth_url nor home_url")
        return redirect(f"{url}{'&' if '?' in url else '?'}uid={request.args.get('uid', '')}")

    @apps.post("/<app_id>/<any(enable, disable):action>")
    def switch(app_id: str, action: str) -> tuple[Response, int]:
        item, uid = state.apps[app_id], request.args.get("uid", "")
        if not uid:
            return jsonify(error="uid is missing"), 400
        if action == "enable" and not webhooks.setup_is_completed(item, uid):
            return jsonify(detail="App setup is not completed"), 400
        state.enable(uid, app_id, action == "enable")
        return jsonify(uid=uid, enabled=action == "enable"), 200

    @apps.post("/<app_id>/tools/<name>")
    def tool(app_id: str, name: str) -> tuple[Response, int]:
        item = found(app_id)
        known = next((tool for tool in item.tools if tool.get("name") == name), None) if item else None
        if item is None or known is None:
            return jsonify(error="no such tool"), 404
        uid = request.args.get("uid", "")
        answer = webhooks.call_tool(state, item, uid, known, _json())
        with state.lock:
            state.user(uid).tool_answers.append({"at": state.now(), "tool": name, **answer})
        return jsonify(answer), 200

    app.register_blueprint(apps)


def _change(item: App, asked: dict[str, Any]) -> None:
    item.name = str(asked.get("name") or item.name or item.id)
    for name in _URLS:
        if name in asked:
            setattr(item, name, str(asked[name]) if asked[name] else None)
    if "chat_tools_manifest_url" in asked:
        item.tools_url = asked["chat_tools_manifest_url"] or None
    if item.tools_url:
        item.tools = webhooks.fetch_tools(item.tools_url)


def _view(item: App) -> dict[str, Any]:
    found: dict[str, Any] = plain(
        {
            "id": item.id,
            "name": item.name,
            "actions": sorted(item.actions),
            **{name: getattr(item, name) for name in _URLS},
            "chat_tools_manifest_url": item.tools_url,
            "tools": item.tools,
            "signs": item.webhook_secret is not None,
            "deliveries": item.deliveries[-20:],
        }
    )
    return found


def _json() -> dict[str, Any]:
    value = request.get_json(silent=True)
    return value if isinstance(value, dict) else {}
