"""v1/dev: keys, memories, action items, goals, folders."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from integration_app.sandbox.answers import Refused, plain
from integration_app.sandbox.creation import action_item, memory
from integration_app.sandbox.developer import (
    NOTHING_TO_CHANGE,
    Developer,
    clamped,
    flag_of,
    given,
    known_categories,
    number_of,
    refuse_unreadable_json,
    rows_of,
    strings_of,
    text_of,
)
from integration_app.sandbox.integrations_api import action_items_of, memory_rank
from integration_app.sandbox.state import OLD, READ_ONLY, SCOPES, DeveloperKey, User
from integration_app.sandbox.validation import Checker

CATEGORIES = (
    "interesting", "system", "manual", "workflow", "core", "hobbies", "lifestyle", "interests", "habits", "work",
    "skills", "learnings", "other", "auto",
)  # fmt: skip
VISIBILITIES = ("public", "private")
VISIBILITIES_AT_FIRST = (*VISIBILITIES, "friends")
"""When a memory is made; a change takes the other two alone."""


def install(app: Flask, api: Developer) -> None:
    data = _Data(api)
    routes = Blueprint("developer", __name__, url_prefix="/v1/dev")
    routes.get("/keys", endpoint="list_keys")(data.list_keys)
    routes.post("/keys", endpoint="create_key")(data.create_key)
    routes.delete("/keys/<key_id>", endpoint="revoke_key")(data.revoke_key)
    routes.get("/user/memories", endpoint="dev_read_memories")(data.read_memories)
    routes.post("/user/memories", endpoint="dev_create_memory")(data.create_memory)
    routes.post("/user/memories/batch", endpoint="dev_create_memories")(data.create_memories)
    routes.patch("/user/memories/<item_id>", endpoint="dev_update_memory")(data.update_memory)
    routes.delete("/user/memories/<item_id>", endpoint="dev_delete_memory")(data.delete_memory)
    routes.get("/user/action-items", endpoint="dev_read_action_items")(data.read_action_items)
    routes.post("/user/action-items", endpoint="dev_create_action_item")(data.create_action_item)
    routes.post("/user/action-items/batch", endpoint="dev_create_action_items")(data.create_action_items)
    routes.patch("/user/action-items/<item_id>", endpoint="dev_update_action_item")(data.update_action_item)
    routes.delete("/user/action-items/<item_id>", endpoint="dev_delete_action_item")(data.delete_action_item)
    routes.get("/user/folders", endpoint="dev_read_folders")(data.read_folders)
    routes.get("/user/goals", endpoint="dev_read_goals")(data.read_goals)
    routes.post("/user/goals", endpoint="dev_create_goal")(data.create_goal)
    routes.patch("/user/goals/<item_id>", endpoint="dev_update_goal")(data.update_goal)
    routes.delete("/user/goals/<item_id>", endpoint="dev_delete_goal")(data.delete_goal)
    routes.patch("/user/goals/<item_id>/progress", endpoint="dev_goal_progress")(data.goal_progress)
    routes.get("/user/goals/<item_id>", endpoint="dev_read_goal")(data.read_goal)
    routes.get("/user/goals/<item_id>/history", endpoint="dev_goal_history")(data.goal_history)
    app.register_blueprint(routes)


_MEMORY_FIELDS = (
    "id", "content", "category", "visibility", "tags", "created_at", "updated_at", "manually_added", "scoring",
)  # fmt: skip
_SYSTEM_FOLDERS = (
    ("Work", "Meetings, projects, colleagues", "#3B82F6", "💼"),
    ("Personal", "One's own life", "#10B981", "🏠"),
    ("Social", "Friends, events", "#F59E0B", "👥"),
)
_GOAL_TYPES = ("boolean", "scale", "numeric")
_LISTED_TOO = ("reviewed", "edited", "user_review")


class _Data:
    def __init__(self, api: Developer) -> None:
        self._api = api
        self._state = api.state

    # --- keys: with the session of the signed-in user, never with a key ------------------------------------

    def list_keys(self) -> Response:
        uid = self._session()
        with self._state.lock:
            mine = [key for key in self._state.keys.values() if key.uid == uid]
        return jsonify([_key(key) for key in sorted(mine, key=lambda key: key.created_at)])

    def create_key(self) -> Response:
        uid = self._session()
        check = Checker()
        body = given(check)
        name = check.string(body, "name", at=["body"], required=True, null=False)
        scopes = strings_of(check, body, "scopes") if body.get("scopes") is not None else None
        check.close()
        if not (name or "").strip():
            raise Refused(422, "Key name cannot be empty")
        if scopes is not None and set(scopes) - set(SCOPES):
            raise Refused(400, f"Invalid scopes. Available: {list(SCOPES)}")
        key, secret = self._state.make_key(uid, (name or "").strip(), scopes)
        shown = _key(key)
        return jsonify(shown | {"key": secret, "created_at": shown["created_at"].removesuffix("Z")})

    def revoke_key(self, key_id: str) -> Response:
        uid = self._session()
        with self._state.lock:
            key = self._state.keys.get(key_id)
            if key is not None and key.uid == uid:  # an unknown one is gone already
                del self._state.keys[key_id]
        return Response(status=204)

    def _session(self) -> str:
        """The uid of `Bearer session-<uid>`: what stands for a signed-in user's token here."""
        refuse_unreadable_json()
        header = request.headers.get("Authorization", "")
        if not header:
            raise Refused(403, "Not authenticated")
        uid = header.removeprefix("Bearer session-")
        with self._state.lock:
            if uid == header or uid not in self._state.users:
                raise Refused(401, "Invalid authorization token")
        return uid

    # --- memories -----------------------------------------------------------------------------------------

    def read_memories(self) -> Response:
        key = self._api.enter("memories:read", "dev:memories_read")
        limit, offset = clamped("limit", 25, 1000), clamped("offset", 0, 10**9, 0)
        wanted = known_categories(request.args.get("categories", ""), CATEGORIES)
        with self._state.lock:
            rows = sorted(self._memories(key).values(), key=memory_rank, reverse=True)
        found = [row for row in rows if not wanted or row["category"] in wanted]
        return self._api.read(jsonify([_shown(row, *_LISTED_TOO) for row in found[offset : offset + limit]]))

    def create_memory(self) -> Response:
        key = self._api.enter("memories:write", "dev:memories")
        check = Checker()
        asked = _memory(check, given(check), ["body"])
        check.close()
        _not_blank(asked["content"])
        return self._api.write(lambda: jsonify(_shown(self._add_memory(key, asked))))

    def create_memories(self) -> Response:
        key = self._api.enter("memories:write", "dev:memories_batch")
        check = Checker()
        rows = rows_of(check, given(check), "memories", high=25)
        asked = [_memory(check, row, ["body", "memories", number]) for number, row in enumerate(rows)]
        check.close()
        if not all(row["content"].strip() for row in asked):
            raise Refused(422, "All memories must have non-empty content")

        def store() -> Response:
            made = [_shown(self._add_memory(key, row)) for row in asked]
            return jsonify(memories=made, created_count=len(made))

        return self._api.write(store)

    def update_memory(self, item_id: str) -> Response:
        key = self._api.enter("memories:write", "dev:memories")
        check = Checker()
        body = given(check)
        content = text_of(check, body, "content", low=1, high=500)
        category = check.choice(body, "category", CATEGORIES, "manual") if body.get("category") is not None else None
        visibility = check.choice(body, "visibility", VISIBILITIES, "private") if body.get("visibility") else None
        tags = strings_of(check, body, "tags") if body.get("tags") is not None else None  # null changes nothing
        check.close()
        changes = {"content": content, "category": category, "visibility": visibility, "tags": tags}
        _something(changes)
        row = _existing(self._memories(key), item_id, "Memory", "memory")
        return self._api.write(lambda: jsonify(_shown(self._change(row, changes, edited=content is not None))))

    def delete_memory(self, item_id: str) -> Response:
        key = self._api.enter("memories:write", "dev:memories")
        _existing(self._memories(key), item_id, "Memory", "memory")
        return self._api.write(lambda: self._delete(self._memories(key), item_id))

    def _add_memory(self, key: DeveloperKey, asked: dict[str, Any]) -> dict[str, Any]:
        content = asked.pop("content")
        category = asked.pop("category") or ("interesting" if len(content.split()) > 5 else "system")
        made = memory(self._state.now(), content, category=category, manually_added=True, **asked)
        return self._state.add_memory(key.uid, made)

    def _memories(self, key: DeveloperKey) -> dict[str, dict[str, Any]]:
        return self._state.user(key.uid).memories

    # --- action items -------------------------------------------------------------------------------------

    def read_action_items(self) -> Response:
        key = self._api.enter("action_items:read", "dev:action_items_read")
        limit, offset = clamped("limit", 100, 1000), clamped("offset", 0, 10**9, 0)
        check = Checker()
        completed = check.boolean(request.args, "completed") if "completed" in request.args else None
        check.close()
        found = action_items_of(self._state, key.uid, completed, request.args.get("conversation_id"), by_due=False)
        return self._api.read(jsonify([plain(row) for row in found[offset : offset + limit]]))

    def create_action_item(self) -> Response:
        key = self._api.enter("action_items:write", "dev:action_items_write")
        check = Checker()
        asked = _action_item(check, given(check), ["body"])
        check.close()
        if not asked["description"].strip():
            raise Refused(422, "description cannot be empty")
        return self._api.write(lambda: jsonify(plain(self._add_action_item(key, asked))))

    def create_action_items(self) -> Response:
        key = self._api.enter("action_items:write", "dev:action_items_write")
        check = Checker()
        rows = rows_of(check, given(check), "action_items", high=50)
        asked = [_action_item(check, row, ["body", "action_items", number]) for number, row in enumerate(rows)]
        check.close()
        if not all(row["description"].strip() for row in asked):
            raise Refused(422, "All action items must have non-empty descriptions")

        def store() -> Response:
            made = [plain(self._add_action_item(key, row)) for row in asked]
            return jsonify(action_items=made, created_count=len(made))

        return self._api.write(store)

    def update_action_item(self, item_id: str) -> Response:
        key = self._api.enter("action_items:write", "dev:action_items_write")
        check = Checker()
        body = given(check)
        changes: dict[str, Any] = {
            "description": text_of(check, body, "description", low=1, high=500),
            "completed": flag_of(check, body, "completed"),
            "due_at": check.moment(body, "due_at"),
        }
        check.close()
        _something(changes)
        row = _existing(self._items(key), item_id, "Action item", "action item")
        if changes["completed"] is not None:
            changes["completed_at"] = self._state.now() if changes["completed"] else None

        def change() -> Response:
            self._change(row, changes)
            if changes["completed"] is False:
                row["completed_at"] = None
            return jsonify(plain(row))

        return self._api.write(change)

    def delete_action_item(self, item_id: str) -> Response:
        key = self._api.enter("action_items:write", "dev:action_items_write")
        _existing(self._items(key), item_id, "Action item", "action item")
        return self._api.write(lambda: self._delete(self._items(key), item_id))

    def _add_action_item(self, key: DeveloperKey, asked: dict[str, Any]) -> dict[str, Any]:
        made = self._state.add_action_item(key.uid, action_item(self._state.now(), **asked))
        if asked["due_at"] is not None:  # Omi pushes a reminder to the phone
            sent = {"at": self._state.now().isoformat(), "message": f"Reminder: {asked['description']}"}
            self._state.user(key.uid).notifications.append(sent)
        return made

    def _items(self, key: DeveloperKey) -> dict[str, dict[str, Any]]:
        return self._state.user(key.uid).action_items

    # --- folders, goals -----------------------------------------------------------------------------------

    def read_folders(self) -> Response:
        key = self._api.enter("conversations:read", "dev:conversations_read")
        user = self._state.user(key.uid)
        made = [*self._system_folders(user), *user.folders] if user.conversations else user.folders
        return self._api.read(jsonify([plain(row) for row in made]))

    def _system_folders(self, user: User) -> list[dict[str, Any]]:
        """Those that Omi makes by itself with a user's first conversation."""
        since = min(row["created_at"] for row in user.conversations)
        counted = Counter(row["folder_id"] for row in user.conversations)
        return [
            {
                "id": f"system-{name.lower()}",
                "name": name,
                "description": words,
                "color": color,
                "icon": icon,
                "created_at": since,
                "updated_at": since,
                "order": number,
                "is_default": False,
                "is_system": True,
                "category_mapping": name.lower(),
                "conversation_count": counted[f"system-{name.lower()}"],
            }
            for number, (name, words, color, icon) in enumerate(_SYSTEM_FOLDERS)
        ]

    def read_goals(self) -> Response:
        key = self._api.enter("goals:read", "dev:goals_read")
        return self._api.read(jsonify([plain(_goal(row)) for row in self._goals(key).values()]))

    def create_goal(self) -> Response:
        key = self._api.enter("goals:write", "dev:goals_write")
        check = Checker()
        body = given(check)
        title = text_of(check, body, "title", low=1, high=500, required=True)
        old = self._state.omi == OLD  # it wants both said
        if "goal_type" in body or old:
            if "goal_type" not in body:
                check.complain("missing", ["body", "goal_type"], "Field required", body)
            else:
                check.choice(body, "goal_type", _GOAL_TYPES, "numeric")
        target = number_of(check, body, "target_value", required=old)
        numbers = {name: number_of(check, body, name) for name in ("current_value", "min_value", "max_value")}
        unit = check.string(body, "unit", at=["body"])
        check.close()

        def store() -> Response:
            now = self._state.now()
            made: dict[str, Any] = {
                "id": f"goal_{uuid.uuid4().hex[:16]}",
                "title": title,
                "goal_type": body.get("goal_type", "scale"),
                "target_value": 10.0 if target is None else target,
                "current_value": numbers["current_value"] or 0.0,
                "min_value": numbers["min_value"] or 0.0,
                "max_value": 10.0 if numbers["max_value"] is None else numbers["max_value"],
                "unit": unit,
                "is_active": True,
                "created_at": now,
                "updated_at": now,
                "history": [],
            }
            with self._state.lock:
                self._goals(key)[made["id"]] = made
            return jsonify(plain(_goal(made)))

        return self._api.write(store)

    def update_goal(self, item_id: str) -> Response:
        key = self._api.enter("goals:write", "dev:goals_write")
        check = Checker()
        body = given(check)
        changes = {
            "title": text_of(check, body, "title", low=1, high=500),
            "target_value": number_of(check, body, "target_value"),
            "is_active": flag_of(check, body, "is_active"),
        }
        check.close()
        _something(changes)
        row = _existing(self._goals(key), item_id, "Goal", "goal")
        return self._api.write(lambda: jsonify(plain(_goal(self._change(row, changes)))))

    def delete_goal(self, item_id: str) -> Response:
        key = self._api.enter("goals:write", "dev:goals_write")
        _existing(self._goals(key), item_id, "Goal", "goal")
        return self._api.write(lambda: self._delete(self._goals(key), item_id))

    def goal_progress(self, item_id: str) -> Response:
        key = self._api.enter("goals:write", "dev:goals_write")
        check = Checker()
        raw = request.args.getlist("current_value")
        value = request.args.get("current_value", type=float)
        if value is None:
            kind = ("float_parsing", "Input should be a valid number, unable to parse string as a number")
            what = ("missing", "Field required") if not raw else kind
            check.complain(what[0], ["query", "current_value"], what[1], raw[-1] if raw else None)
        check.close()
        row = _existing(self._goals(key), item_id, "Goal", "goal")

        def change() -> Response:
            self._change(row, {"current_value": value})
            row["history"].append({"date": self._state.now(), "value": value})
            return jsonify(plain(_goal(row)))

        return self._api.write(change)

    def goal_history(self, item_id: str) -> Response:
        key = self._api.enter("goals:read", "dev:goals_read")
        row = self._goals(key).get(item_id)
        return self._api.read(jsonify(plain(row["history"] if row else [])))

    def read_goal(self, item_id: str) -> Response:
        key = self._api.enter("goals:read", "dev:goals_read")
        return self._api.read(jsonify(plain(_goal(_existing(self._goals(key), item_id, "Goal", "goal")))))

    def _goals(self, key: DeveloperKey) -> dict[str, dict[str, Any]]:
        return self._state.user(key.uid).goals

    # --- changing -----------------------------------------------------------------------------------------

    def _change(self, row: dict[str, Any], changes: dict[str, Any], **marks: Any) -> dict[str, Any]:
        with self._state.lock:
            row.update({name: value for name, value in changes.items() if value is not None})
            row.update({name: value for name, value in marks.items() if value})
            row["updated_at"] = self._state.now()
        return row

    def _delete(self, rows: dict[str, dict[str, Any]], item_id: str) -> Response:
        with self._state.lock:
            rows.pop(item_id, None)
        return jsonify(success=True)


def _existing(rows: dict[str, dict[str, Any]], item_id: str, what: str, words: str) -> dict[str, Any]:
    row = rows.get(item_id)
    if row is None:
        raise Refused(404, f"{what} not found")
    if row.get("is_locked"):
        raise Refused(402, f"A paid plan is required to access this {words}.")
    return row


def _memory(check: Checker, body: dict[str, Any], at: list[Any]) -> dict[str, Any]:
    category = body.get("category")
    if category is not None and category not in CATEGORIES:
        check.choice(body, "category", CATEGORIES, "manual")
    visibility = body.get("visibility", "private")
    if visibility not in VISIBILITIES_AT_FIRST:
        check.choice(body, "visibility", VISIBILITIES_AT_FIRST, "private")
    return {
        "content": text_of(check, body, "content", low=1, high=500, required=True, at=at) or "",
        "category": category,
        "visibility": visibility,
        "tags": strings_of(check, body, "tags", at),
    }


def _not_blank(content: str) -> None:
    if not content.strip():
        raise Refused(422, "content cannot be empty")


def _something(changes: dict[str, Any]) -> None:
    if all(value is None for value in changes.values()):
        raise Refused(422, NOTHING_TO_CHANGE)


def _shown(row: dict[str, Any], *more: str) -> dict[str, Any]:
    """The fields of a memory that this API shows."""
    found: dict[str, Any] = plain({name: row.get(name) for name in (*_MEMORY_FIELDS, *more)})
    return found


def _action_item(check: Checker, body: dict[str, Any], at: list[Any]) -> dict[str, Any]:
    return {
        "description": text_of(check, body, "description", low=1, high=500, required=True, at=at) or "",
        "completed": flag_of(check, body, "completed", at, null=False) or False,
        "due_at": check.moment(body, "due_at"),
    }


def _key(key: DeveloperKey) -> dict[str, Any]:
    found: dict[str, Any] = plain(
        {
            "id": key.id,
            "name": key.name,
            "key_prefix": key.key_prefix,
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
            "scopes": list(READ_ONLY) if key.scopes is None else key.scopes,
        }
    )
    return found


def _goal(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "history"}
