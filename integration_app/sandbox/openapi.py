"""`/openapi.json`: the routes of both APIs, their parameters, bodies and answers, as one OpenAPI 3.1 document."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify

from integration_app.sandbox.developer_data import CATEGORIES, VISIBILITIES
from integration_app.sandbox.integrations_api import CONVERSATION_SOURCES, MEMORY_SOURCES, STATUSES
from integration_app.sandbox.segments import SOURCES

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_TIME: Json = {"type": "string", "format": "date-time"}
_ID: Json = {"type": "string"}


def install(app: Flask) -> None:
    document = build()

    @app.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(document)


def build() -> Json:
    """The document; a test holds its paths to the routes of the app."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Omi sandbox",
            "version": "1.0.0",
            "description": "A stand-in for Omi's Data Import API (v2) and Developer API (v1/dev).",
        },
        "paths": {**_integrations(), **_developer()},
        "components": {
            "securitySchemes": {
                "appKey": {"type": "http", "scheme": "bearer", "description": "sk_…, the app's"},
                "developerKey": {"type": "http", "scheme": "bearer", "description": "omi_dev_…, one user's"},
                "session": {"type": "http", "scheme": "bearer", "description": "session-<uid>, a signed-in user's"},
            },
            "schemas": {"Error": {"type": "object", "required": ["detail"], "properties": {"detail": {}}}},
        },
    }


def _integrations() -> Json:
    base = "/v2/integrations/{app_id}"
    conversation = _object(
        text=_TEXT,
        text_source=_one_of(CONVERSATION_SOURCES),
        text_source_spec=_or_null(_TEXT),
        started_at=_or_null(_TIME),
        finished_at=_or_null(_TIME),
        language=_or_null(_TEXT),
        geolocation=_or_null(_place()),
        required=["text"],
    )
    memory = _object(
        content=_TEXT,
        tags=_or_null(_list(_TEXT)),
        source_id=_or_null(_TEXT),
        source_url=_or_null(_TEXT),
        required=["content"],
    )
    memories = _object(
        text=_or_null(_TEXT),
        memories=_or_null(_list(memory)),
        text_source=_one_of(MEMORY_SOURCES),
        text_source_spec=_or_null(_TEXT),
        source_id=_or_null(_TEXT),
        source_url=_or_null(_TEXT),
        required=["text"],
    )
    app_id = _in_path("app_id")
    uid = _in_query("uid", _TEXT, required=True)
    dates = [_in_query("start_date", _TEXT), _in_query("end_date", _TEXT)]
    pages = [_in_query("limit", _number(1, 1000)), _in_query("offset", _number(0))]
    segments = _in_query("max_transcript_segments", _number(-1, 1000))
    statuses = _in_query("statuses", _list(_one_of(STATUSES)))
    search = _object(
        query=_TEXT,
        page={"type": "integer"},
        per_page={"type": "integer"},
        include_discarded=_FLAG,
        start_date=_TEXT,
        end_date=_TEXT,
        required=["query"],
    )
    notice = _object(aid=_TEXT, uid=_TEXT, message=_TEXT, required=["aid", "uid", "message"])
    key = "appKey"
    return {
        f"{base}/user/conversations": {"post": _operation("create_conversation", key, [app_id, uid], conversation)},
        f"{base}/user/memories": {"post": _operation("create_memories", key, [app_id, uid], memories)},
        f"{base}/conversations": {
            "get": _operation(
                "read_conversations",
                key,
                [app_id, uid, *pages, *dates, statuses, _in_query("include_discarded", _FLAG), segments],
            )
        },
        f"{base}/memories": {"get": _operation("read_memories", key, [app_id, uid, *pages])},
        f"{base}/search/conversations": {
            "post": _operation("search_conversations", key, [app_id, uid, segments], search)
        },
        f"{base}/tasks": {
            "get": _operation(
                "read_tasks",
                key,
                [
                    app_id,
                    uid,
                    *pages,
                    *dates,
                    _in_query("completed", _FLAG),
                    _in_query("conversation_id", _TEXT),
                    _in_query("due_start_date", _TEXT),
                    _in_query("due_end_date", _TEXT),
                ],
            )
        },
        f"{base}/notification": {
            "post": _operation("notification", key, [app_id, uid, _in_query("message", _TEXT, required=True)])
        },
        "/v1/integrations/notification": {"post": _operation("notification_by_body", key, [], notice)},
    }


def _developer() -> Json:
    base = "/v1/dev/user"
    memory = _object(
        content=_text(1, 500),
        category=_or_null(_one_of(CATEGORIES)),
        visibility=_one_of(VISIBILITIES),
        tags=_or_null(_list(_TEXT)),
        required=["content"],
    )
    item = _object(
        description=_text(1, 500), completed=_or_null(_FLAG), due_at=_or_null(_TIME), required=["description"]
    )
    segment = _object(
        text=_text(1),
        speaker=_or_null(_TEXT),
        speaker_id=_or_null({"type": "integer"}),
        is_user=_or_null(_FLAG),
        person_id=_or_null(_TEXT),
        start={"type": "number", "minimum": 0},
        end={"type": "number"},
        required=["text", "start", "end"],
    )
    common = {
        "started_at": _or_null(_TIME),
        "finished_at": _or_null(_TIME),
        "language": _or_null(_TEXT),
        "geolocation": _or_null(_place()),
    }
    from_text = _object(
        text=_text(1, 100_000),
        text_source=_one_of(CONVERSATION_SOURCES),
        text_source_spec=_or_null(_TEXT),
        **common,
        required=["text"],
    )
    from_segments = _object(
        transcript_segments=_list(segment, 1, 500),
        source=_one_of(SOURCES),
        client_session_id=_or_null(_text(1, 200)),
        **common,
        required=["transcript_segments"],
    )
    pages = [_in_query("limit", {"type": "integer"}), _in_query("offset", {"type": "integer"})]
    dates = [_in_query("start_date", _TEXT), _in_query("end_date", _TEXT)]
    transcript, categories = _in_query("include_transcript", _FLAG), _in_query("categories", _TEXT)
    item_id, key_id = _in_path("item_id"), _in_path("key_id")
    goal = _object(
        title=_text(1, 500), target_value={"type": "number"}, current_value={"type": "number"}, required=["title"]
    )
    change_goal = _object(title=_text(1, 500), target_value={"type": "number"}, is_active=_FLAG)
    key, session = "developerKey", "session"
    filters = [
        _in_query("conversation_id", _TEXT),
        _in_query("completed", _FLAG),
        _in_query("due_start_date", _TEXT),
        _in_query("due_end_date", _TEXT),
    ]
    return {
        "/v1/dev/keys": {
            "get": _operation("list_keys", session, []),
            "post": _operation("create_key", session, [], _object(name=_TEXT, scopes=_list(_TEXT), required=["name"])),
        },
        "/v1/dev/keys/{key_id}": {"delete": _operation("revoke_key", session, [key_id], status="204")},
        f"{base}/memories": {
            "get": _operation("dev_read_memories", key, [*pages, categories]),
            "post": _operation("dev_create_memory", key, [], memory),
        },
        f"{base}/memories/batch": {
            "post": _operation(
                "dev_create_memories", key, [], _object(memories=_list(memory, 0, 25), required=["memories"])
            )
        },
        f"{base}/memories/{{item_id}}": {
            "patch": _operation("dev_update_memory", key, [item_id], memory | {"required": []}),
            "delete": _operation("dev_delete_memory", key, [item_id]),
        },
        f"{base}/action-items": {
            "get": _operation("dev_read_action_items", key, [*pages, *dates, *filters]),
            "post": _operation("dev_create_action_item", key, [], item),
        },
        f"{base}/action-items/batch": {
            "post": _operation(
                "dev_create_action_items", key, [], _object(action_items=_list(item, 0, 50), required=["action_items"])
            )
        },
        f"{base}/action-items/{{item_id}}": {
            "patch": _operation("dev_update_action_item", key, [item_id], item | {"required": []}),
            "delete": _operation("dev_delete_action_item", key, [item_id]),
        },
        f"{base}/conversations": {
            "get": _operation(
                "dev_read_conversations",
                key,
                [*pages, *dates, categories, transcript, _in_query("starred", _FLAG), _in_query("folder_id", _TEXT)],
            ),
            "post": _operation("dev_create_conversation", key, [], from_text),
        },
        f"{base}/conversations/from-segments": {"post": _operation("dev_create_from_segments", key, [], from_segments)},
        f"{base}/conversations/{{item_id}}": {
            "get": _operation("dev_read_conversation", key, [item_id, transcript]),
            "patch": _operation(
                "dev_update_conversation", key, [item_id], _object(title=_text(1, 500), discarded=_FLAG)
            ),
            "delete": _operation("dev_delete_conversation", key, [item_id]),
        },
        f"{base}/folders": {"get": _operation("dev_read_folders", key, [])},
        f"{base}/goals": {
            "get": _operation("dev_read_goals", key, []),
            "post": _operation("dev_create_goal", key, [], goal),
        },
        f"{base}/goals/{{item_id}}": {
            "get": _operation("dev_read_goal", key, [item_id]),
            "patch": _operation("dev_update_goal", key, [item_id], change_goal),
            "delete": _operation("dev_delete_goal", key, [item_id]),
        },
        f"{base}/goals/{{item_id}}/progress": {
            "patch": _operation("dev_goal_progress", key, [item_id, _in_query("current_value", {"type": "number"})])
        },
        f"{base}/goals/{{item_id}}/history": {"get": _operation("dev_goal_history", key, [item_id])},
        f"{base}/ask": {
            "post": _operation(
                "dev_ask", key, [], _object(question=_text(1, 2000), limit={"type": "number"}, required=["question"])
            )
        },
    }


def _operation(name: str, scheme: str, parameters: list[Json], body: Json | None = None, status: str = "200") -> Json:
    refused = {
        code: {
            "description": words,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        }
        for code, words in (
            ("400", "a value that cannot be used"),
            ("401", "no key, or not a good one"),
            ("402", "a paid plan is needed"),
            ("403", "not enabled, no capability, no scope"),
            ("404", "not there"),
            ("422", "not of the documented form"),
            ("429", "rate limit"),
        )
    }
    done: Json = {"description": "done"}
    if status == "200":
        done["content"] = {"application/json": {"schema": {}}}
    found: Json = {
        "operationId": name,
        "security": [{scheme: []}],
        "parameters": parameters,
        "responses": {status: done, **refused},
    }
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _object(*, required: list[str] | None = None, **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": required or []}


def _list(items: Json, low: int | None = None, high: int | None = None) -> Json:
    found: Json = {"type": "array", "items": items}
    return found | {name: value for name, value in (("minItems", low), ("maxItems", high)) if value is not None}


def _text(low: int, high: int | None = None) -> Json:
    return {"type": "string", "minLength": low} | ({"maxLength": high} if high else {})


def _number(low: int, high: int | None = None) -> Json:
    return {"type": "integer", "minimum": low} | ({"maximum": high} if high is not None else {})


def _one_of(values: tuple[str, ...]) -> Json:
    return {"type": "string", "enum": list(values)}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _place() -> Json:
    return _object(
        latitude={"type": "number", "minimum": -90, "maximum": 90},
        longitude={"type": "number", "minimum": -180, "maximum": 180},
        required=["latitude", "longitude"],
    )


def _in_query(name: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": _ID}
