"""Omi's v2 integrations API: routes, check order, texts and shapes as on the wire.

Order on every route: validation (422) → header (401) → key (403) → rate limit (429, writes only) → app (404) →
enabled (403) → capability (403) → work. https://docs.omi.me/doc/developer/apps/Import
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from integration_app.sandbox.answers import BAD_DATE, Crashed, Refused, bearer, bound, plain, rate_limited
from integration_app.sandbox.creation import create, memory
from integration_app.sandbox.extraction import memories_from
from integration_app.sandbox.fault_injection import Faulty
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.moments import parse_bound
from integration_app.sandbox.state import State, digest
from integration_app.sandbox.validation import Checker

CONVERSATION_SOURCES = ("audio_transcript", "message", "other_text")
MEMORY_SOURCES = ("email", "social_post", "other")
STATUSES = ("in_progress", "processing", "merging", "completed", "failed")

_NO_CONTENT = "Either text or explicit memories(facts) are required and cannot be empty"


def install(app: Flask, state: State, limits: Limits, faulty: Faulty) -> None:
    api = _Api(state, limits, faulty)
    routes = Blueprint("integrations", __name__, url_prefix="/v2/integrations/<app_id>")
    routes.post("/user/conversations", endpoint="create_conversation")(api.create_conversation)
    routes.post("/user/memories", endpoint="create_memories")(api.create_memories)
    routes.get("/conversations", endpoint="read_conversations")(api.read_conversations)
    routes.get("/memories", endpoint="read_memories")(api.read_memories)
    routes.post("/search/conversations", endpoint="search_conversations")(api.search_conversations)
    routes.get("/tasks", endpoint="read_tasks")(api.read_tasks)
    routes.post("/notification", endpoint="notification")(api.notification)
    app.register_blueprint(routes)
    app.post("/v1/integrations/notification", endpoint="notification_by_body")(api.notification_by_body)


class _Api:
    def __init__(self, state: State, limits: Limits, faulty: Faulty) -> None:
        self._state = state
        self._limits = limits
        self._faulty = faulty

    # --- writes -------------------------------------------------------------------------------------------

    def create_conversation(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        body = check.body(request.get_data(), request.content_type or "")
        at = ["body"]
        text = check.string(body, "text", at=at, required=True, null=False)
        source = check.choice(body, "text_source", CONVERSATION_SOURCES, "audio_transcript")
        spec = check.string(body, "text_source_spec", at=at)
        language = check.string(body, "language", at=at)
        started, finished = check.moment(body, "started_at"), check.moment(body, "finished_at")
        geolocation = check.geolocation(body)
        check.close()
        self._authorize(app_id, "Invalid integration API key")
        self._limit("integration:conversations", app_id, uid)
        self._enabled(app_id, uid)
        self._capability(app_id, "create conversations", "create_conversation")
        started = started or self._state.now()
        finished = finished or started + timedelta(seconds=300)
        conversation = {
            "created_at": started,
            "started_at": started,
            "finished_at": finished,
            "source": "external_integration",
            "app_id": app_id,
            "language": language or "en",
            "transcript_segments": [],
            "geolocation": geolocation,
            "external_data": {
                "text": text,
                "source": "external_integration",
                "text_source": source,
                "text_source_spec": spec,
                "app_id": app_id,
                "language": language or "en",
                "started_at": started,
                "finished_at": finished,
                "geolocation": geolocation,
            },
        }
        return self._faulty.work(lambda: self._store(uid, conversation, text or ""))

    def _store(self, uid: str, conversation: dict[str, Any], text: str) -> None:
        create(self._state, uid, conversation, text)  # Omi answers `{}`: no id

    def create_memories(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        body = check.body(request.get_data(), request.content_type or "")
        at = ["body"]
        text = check.string(body, "text", at=at, required=True)
        check.choice(body, "text_source", MEMORY_SOURCES, "other")
        check.string(body, "text_source_spec", at=at)
        shared = {name: check.string(body, name, at=at) for name in ("source_id", "source_url")}
        explicit = _explicit(check, body)
        check.close()
        self._authorize(app_id, "Invalid integrationAPI key")
        self._limit("integration:memories", app_id, uid)
        self._enabled(app_id, uid)
        self._capability(app_id, "create memories", "create_memories", "create_facts")
        if not (text and text.strip()) and not explicit:
            raise Refused(422, _NO_CONTENT)
        mined = [{"content": content, "tags": []} for content in memories_from(text or "")]
        now = self._state.now()

        def store() -> None:
            for number, row in enumerate([*explicit, *mined]):
                given = {key: value for key, value in shared.items() if value} | row
                made = memory(
                    now + timedelta(microseconds=number),
                    given.pop("content"),
                    category="system" if number < len(explicit) else "interesting",
                    app_id=app_id,
                    **given,
                )
                self._state.add_memory(uid, made)

        return self._faulty.work(store)

    # --- reads --------------------------------------------------------------------------------------------

    def read_conversations(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        limit = check.integer(request.args, "limit", 100, 1, 1000)
        offset = check.integer(request.args, "offset", 0, 0)
        discarded = check.boolean(request.args, "include_discarded")
        segments = check.integer(request.args, "max_transcript_segments", 100, -1, 1000)
        statuses = set(request.args.getlist("statuses"))
        check.close()
        self._authorize(app_id, "Invalid API key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read conversations", "read_conversations")
        start, end = bound("start_date"), bound("end_date")
        with self._state.lock:
            rows = sorted(self._state.user(uid).conversations, key=lambda row: row["created_at"], reverse=True)
        found = [
            row
            for row in rows
            if (discarded or not row["discarded"])
            and (not statuses or row["status"] in statuses)
            and (start is None or row["created_at"] >= start)
            and (end is None or row["created_at"] <= end)
        ]
        page = [_shown(row, segments) for row in found[offset : offset + limit]]
        return self._faulty.read(Refused, jsonify(conversations=page))

    def search_conversations(self, app_id: str) -> Response:
        """Words of the query in title, overview or text, any case; the real one has an index of meanings."""
        check = Checker()
        uid = check.uid(request.args)
        segments = check.integer(request.args, "max_transcript_segments", 100, -1, 1000)
        body = check.body(request.get_data(), request.content_type or "")
        query = check.string(body, "query", at=["body"], required=True, null=False)
        page, per_page = (check.whole(body, name, default) for name, default in (("page", 1), ("per_page", 10)))
        discarded = check.flag(body, "include_discarded")
        dates = {name: check.string(body, name, at=["body"]) for name in ("start_date", "end_date")}
        check.close()
        self._authorize(app_id, "Invalid API key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read conversations", "read_conversations")
        start, end = (body_bound(dates, name) for name in dates)
        if per_page < 1 or body.get("page", 1) is None:
            raise Crashed
        words = (query or "").lower().split()
        with self._state.lock:
            rows = sorted(self._state.user(uid).conversations, key=lambda row: row["created_at"], reverse=True)
        found = [
            row
            for row in rows
            if all(word in _searched(row) for word in words)
            and (discarded or not row["discarded"])
            and (start is None or row["created_at"] >= start)
            and (end is None or row["created_at"] <= end)
        ]
        first = (page - 1) * per_page
        answer = jsonify(
            conversations=[_shown(row, segments) for row in found[first : first + per_page]] if page > 0 else [],
            total_pages=-(-len(found) // per_page),
            current_page=page,
            per_page=per_page,
        )
        return self._faulty.read(Refused, answer)

    def read_tasks(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        limit = check.integer(request.args, "limit", 100, 1, 1000)
        offset = check.integer(request.args, "offset", 0, 0)
        completed = check.boolean(request.args, "completed") if "completed" in request.args else None
        check.close()
        self._authorize(app_id, "Invalid API key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read tasks", "read_tasks")
        found = action_items_of(self._state, uid, completed, request.args.get("conversation_id"))
        return self._faulty.read(Refused, jsonify(tasks=[plain(row) for row in found[offset : offset + limit]]))

    def read_memories(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        limit = check.integer(request.args, "limit", 100, 1, 1000)
        offset = check.integer(request.args, "offset", 0, 0)
        check.close()
        self._authorize(app_id, "Invalid integrationAPI key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read memories", "read_memories", "read_facts")
        with self._state.lock:
            rows = sorted(self._state.user(uid).memories.values(), key=memory_rank, reverse=True)
        page = rows[offset : offset + limit]
        return self._faulty.read(Refused, jsonify(memories=[plain(row, top=True) for row in page]))

    # --- notification -------------------------------------------------------------------------------------

    def notification_by_body(self) -> Response:
        """The same with a JSON body: app, user and words are looked at before the key."""
        check = Checker()
        given = check.body(request.get_data(), request.content_type or "")
        for name, words in (
            ("aid", "aid (app id) in request body is required"),
            ("message", "message is required"),
            ("uid", "uid is required"),
        ):
            if not given.get(name):
                raise Refused(400, words)
        return self._notify(str(given["aid"]), str(given["uid"]), str(given["message"]))

    def notification(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        message = request.args.get("message")
        if message is None:
            check.complain("missing", ["query", "message"], "Field required", None)
        check.close()
        return self._notify(app_id, uid, message or "")

    def _notify(self, app_id: str, uid: str, message: str) -> Response:
        self._authorize(app_id, "Invalid API key")
        if not self._state.is_enabled(uid, app_id):
            raise Refused(403, "User does not have this app installed")
        remaining, reset, refused = self._limits.notification(f"{app_id}:{uid}")
        headers = {
            "X-RateLimit-Limit": "10",
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(reset),
        }
        if refused:
            detail = "Rate limit exceeded. Maximum 10 notifications per hour."
            raise Refused(429, detail, headers | {"Retry-After": str(reset)})
        self._faulty.limit(Refused)
        with self._state.lock:
            sent = {"at": self._state.now().isoformat(), "message": message}
            self._state.user(uid).notifications.append(sent)
        response = self._faulty.read(Refused, jsonify(status="Ok"))
        response.headers.update(headers)
        return response

    # --- checks -------------------------------------------------------------------------------------------

    def _authorize(self, app_id: str, detail: str) -> None:
        key = bearer()
        with self._state.lock:
            app = self._state.apps.get(app_id)
            known = app is not None and digest(key) in app.key_digests
        if not known:
            raise Refused(403, detail)

    def _limit(self, policy: str, app_id: str, uid: str) -> None:
        self._faulty.limit(Refused)
        refusal = self._limits.hit(policy, f"{app_id}:{uid}")
        if refusal:
            raise rate_limited(refusal.limit, refusal.retry_after)

    def _enabled(self, app_id: str, uid: str) -> None:
        if app_id not in self._state.apps:
            raise Refused(404, "App not found")
        if not self._state.is_enabled(uid, app_id):
            raise Refused(403, "App is not enabled for this user")

    def _capability(self, app_id: str, words: str, *actions: str) -> None:
        if not self._state.apps[app_id].actions & set(actions):
            raise Refused(403, f"App does not have the capability to {words}")


def memory_rank(row: dict[str, Any]) -> tuple[str, datetime]:
    return row["scoring"], row["created_at"]


def _explicit(check: Checker, body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("memories")
    if given is None:
        return []
    if not isinstance(given, list):
        check.complain("list_type", ["body", "memories"], "Input should be a valid list", given)
        return []
    found = []
    for number, row in enumerate(given):
        at = ["body", "memories", number]
        if not isinstance(row, dict):
            msg = "Input should be a valid dictionary or object to extract fields from"
            check.complain("model_attributes_type", at, msg, row)
            continue
        content = check.string(row, "content", at=at, required=True, null=False)
        tags = check.strings(row["tags"], [*at, "tags"]) if row.get("tags") is not None else []
        memory: dict[str, Any] = {"content": content or "", "tags": tags}
        for name in ("source_id", "source_url"):
            if (value := check.string(row, name, at=at)) is not None:
                memory[name] = value
        found.append(memory)
    return found


def body_bound(body: dict[str, Any], name: str) -> datetime | None:
    raw = body.get(name)
    if not raw:
        return None
    parsed = parse_bound(str(raw), end=name == "end_date")
    if parsed is None:
        raise Refused(400, BAD_DATE.format(name=name))
    return parsed


def action_items_of(
    state: State, uid: str, completed: bool | None, conversation_id: str | None, *, by_due: bool = True
) -> list[dict[str, Any]]:
    """A user's action items, newest first, by the filters of the query. `by_due`: v2 alone filters by due date."""
    start, end = bound("start_date"), bound("end_date")
    due_start, due_end = (bound("due_start_date"), bound("due_end_date")) if by_due else (None, None)
    with state.lock:
        rows = sorted(state.user(uid).action_items.values(), key=lambda row: row["created_at"], reverse=True)
    return [
        row
        for row in rows
        if (completed is None or row["completed"] == completed)
        and (conversation_id is None or row["conversation_id"] == conversation_id)
        and (start is None or row["created_at"] >= start)
        and (end is None or row["created_at"] <= end)
        and (due_start is None or (row["due_at"] is not None and row["due_at"] >= due_start))
        and (due_end is None or (row["due_at"] is not None and row["due_at"] <= due_end))
    ]


def _shown(row: dict[str, Any], segments: int) -> dict[str, Any]:
    """As v2 shows a conversation: without what only the Developer API knows, and with so many segments."""
    hidden = ("starred", "folder_id")
    shown = {name: value for name, value in row.items() if name not in hidden}
    if segments >= 0:
        shown["transcript_segments"] = shown["transcript_segments"][:segments]
    found: dict[str, Any] = plain(shown, top=True)
    return found


def _searched(row: dict[str, Any]) -> str:
    said = (row.get("external_data") or {}).get("text") or ""
    spoken = " ".join(str(segment["text"]) for segment in row["transcript_segments"])
    return f"{row['structured']['title']} {row['structured']['overview']} {said} {spoken}".lower()
