"""Control API: `/_sandbox/…`. JSON in and out, no key: every caller that reaches it may use it.

POST   /_sandbox/reset                   forget everything but the app and its key
POST   /_sandbox/users/{uid}/enable      the user enables the app (made if new)
POST   /_sandbox/users/{uid}/disable     the user disables it
POST   /_sandbox/users/{uid}/keys        a key for the Developer API {"name", "scopes"}; answers with the secret, once
POST   /_sandbox/users/{uid}/lock        {"id": …, "locked": true}: an item that only a paid plan may see
POST   /_sandbox/users/{uid}/folders     {"name": …}
GET    /_sandbox/users                   every user with conversations and memories
GET    /_sandbox/users/{uid}             one user
GET    /_sandbox/requests                every call: time, route, uid, status (?since=<unix>, ?route=, ?uid=)
GET    /_sandbox/notifications?uid=      what the app sent to a user
GET    /_sandbox/faults · POST · DELETE  faults (see `faults.py`); DELETE /_sandbox/faults/{id} takes one away
POST   /_sandbox/boost {"boost": 100}    multiply the rate limits
POST   /_sandbox/latency {"seconds": 0.3}  every write takes this long
POST   /_sandbox/omi {"version": "2026-05"}   Omi's behaviour at that time, or the newest, where it differs
POST   /_sandbox/clock {"advance": 3600}   move the sandbox's clock on (limits, dates)
POST   /_sandbox/app {"actions": [...], "api_keys": [...]}   capabilities and keys of the app
GET    /_sandbox/limits                  the windows that are running
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from integration_app.sandbox.faults import Faults
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import CAPABILITIES, NEWEST, OLD, SCOPES, State, User, digest


def install(app: Flask, state: State, limits: Limits, faults: Faults) -> None:  # noqa: C901 - a list of routes
    control = Blueprint("control", __name__, url_prefix="/_sandbox")

    @control.post("/reset")
    def reset() -> Response:
        state.reset()
        limits.reset()
        faults.clear()
        return jsonify(status="ok")

    @control.post("/users/<uid>/<any(enable, disable):action>")
    def switch(uid: str, action: str) -> Response:
        state.enable(uid, request.args.get("app"), action == "enable")
        return jsonify(uid=uid, enabled=action == "enable")

    @control.post("/users/<uid>/keys")
    def make_key(uid: str) -> Response:
        asked = _json()
        scopes = asked.get("scopes", list(SCOPES))
        key, secret = state.make_key(uid, str(asked.get("name") or "sandbox"), scopes)
        return jsonify(id=key.id, key=secret, scopes=key.scopes, session=f"session-{uid}")

    @control.post("/users/<uid>/lock")
    def lock(uid: str) -> tuple[Response, int]:
        asked = _json()
        with state.lock:
            user = state.user(uid)
            rows = [*user.conversations, *user.memories.values(), *user.action_items.values()]
            found = next((row for row in rows if row["id"] == asked.get("id")), None)
            if found is None:
                return jsonify(error="no such item"), 404
            found["is_locked"] = asked.get("locked", True) is not False
        return jsonify(status="ok"), 200

    @control.post("/users/<uid>/folders")
    def folder(uid: str) -> Response:
        made = {"id": f"folder_{uuid.uuid4().hex[:12]}", "name": str(_json().get("name") or "Folder")}
        with state.lock:
            state.user(uid).folders.append(made | {"created_at": state.now(), "conversation_count": 0})
        return jsonify(made)

    @control.get("/users")
    def users() -> Response:
        with state.lock:
            return jsonify(users=[_user(user) for user in state.users.values()])

    @control.get("/users/<uid>")
    def one_user(uid: str) -> tuple[Response, int]:
        with state.lock:
            found = state.users.get(uid)
            return (jsonify(_user(found)), 200) if found else (jsonify(error="no such user"), 404)

    @control.get("/requests")
    def requests() -> Response:
        since = request.args.get("since", 0.0, type=float)
        wanted = {name: request.args[name] for name in ("route", "uid") if name in request.args}
        with state.lock:
            rows = [asdict(call) for call in state.calls if call.at >= since]
        fits = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
        return jsonify(requests=fits)

    @control.get("/notifications")
    def notifications() -> Response:
        uid = request.args.get("uid", "")
        with state.lock:
            found = state.users.get(uid)
            return jsonify(notifications=list(found.notifications) if found else [])

    @control.route("/faults", methods=["GET", "POST", "DELETE"])
    def all_faults() -> tuple[Response, int]:
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                return jsonify(faults.add(_json()).view()), 201
            except ValueError as error:
                return jsonify(error=str(error)), 400
        return jsonify(faults=faults.view()), 200

    @control.delete("/faults/<int:number>")
    def one_fault(number: int) -> tuple[Response, int]:
        return jsonify(status="ok"), 200 if faults.remove(number) else 404

    @control.post("/boost")
    def boost() -> tuple[Response, int]:
        try:
            factor = float(_json()["boost"])
        except (KeyError, TypeError, ValueError):
            factor = 0.0
        if not factor > 0:
            return jsonify(error="boost is a number above 0"), 400
        limits.boost = factor
        return jsonify(boost=limits.boost), 200

    @control.post("/app")
    def change_app() -> tuple[Response, int]:
        asked = _json()
        if not all(isinstance(asked.get(name, []), list) for name in ("actions", "api_keys")):
            return jsonify(error="actions and api_keys are lists"), 400
        unknown = set(asked.get("actions") or ()) - {*CAPABILITIES, "create_memories", "read_facts"}
        if unknown:
            return jsonify(error=f"unknown actions: {', '.join(sorted(map(str, unknown)))}"), 400
        with state.lock:
            for found in state.apps.values():
                if "actions" in asked:
                    found.actions = set(asked["actions"])
                if "api_keys" in asked:
                    found.key_digests = {digest(str(key)) for key in asked["api_keys"]}
        return jsonify(status="ok"), 200

    @control.post("/omi")
    def version() -> tuple[Response, int]:
        asked = _json().get("version")
        if asked not in (NEWEST, OLD):
            return jsonify(error=f"version is {NEWEST} or {OLD}"), 400
        state.omi, limits.old = asked, asked == OLD
        return jsonify(version=asked), 200

    @control.post("/latency")
    def latency() -> tuple[Response, int]:
        seconds = _number("seconds")
        if seconds is None or seconds < 0:
            return jsonify(error="seconds is a number from 0"), 400
        state.latency = seconds
        return jsonify(seconds=seconds), 200

    @control.post("/clock")
    def clock() -> tuple[Response, int]:
        advance = _number("advance")
        if advance is None:
            return jsonify(error="advance is a number of seconds"), 400
        state.offset += advance
        return jsonify(now=state.now().isoformat()), 200

    @control.get("/limits")
    def windows() -> Response:
        return jsonify(boost=limits.boost, windows=limits.snapshot())

    app.register_blueprint(control)


def _json() -> dict[str, Any]:
    value = request.get_json(silent=True)
    return value if isinstance(value, dict) else {}


def _number(name: str) -> float | None:
    try:
        return float(_json()[name])
    except (KeyError, TypeError, ValueError):
        return None


def _user(user: User) -> dict[str, Any]:
    return {
        "uid": user.uid,
        "enabled": user.enabled,
        "conversations": [_times(row) for row in user.conversations],
        "memories": [_times(row) for row in user.memories.values()],
        "action_items": [_times(row) for row in user.action_items.values()],
        "notifications": len(user.notifications),
    }


def _times(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _times(value) if isinstance(value, dict) else value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in row.items()
    }
