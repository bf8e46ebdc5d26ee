"""Omi's v2 integrations API: routes, check order, texts and shapes as on the wire.

Order on every route: validation (422) → header (401) → key (403) → rate limit (429, writes only) → app (404) →
enabled (403) → capability (403) → work. https://docs.omi.me/doc/developer/apps/Import
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from integration_app.sandbox.faulty import Faulty
from integration_app.sandbox.limits import Limits
from integration_app.sandbox.state import State, digest
from integration_app.sandbox.validation import Checker, Complaints, parse_bound

CONVERSATION_SOURCES = ("audio_transcript", "message", "other_text")
MEMORY_SOURCES = ("email", "social_post", "other")
STATUSES = ("in_progress", "processing", "merging", "completed", "failed")

_NO_HEADER = "Missing or invalid Authorization header. Must be 'Bearer API_KEY'"
_NO_CONTENT = "Either text or explicit memories(facts) are required and cannot be empty"
_BAD_DATE = "Invalid {name} format. Use ISO format (YYYY-MM-DDTHH:MM:SS.sssZ) or YYYY-MM-DD"


class Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, detail: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(status))
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def install(app: Flask, state: State, limits: Limits, faulty: Faulty) -> None:
    api = _Api(state, limits, faulty)
    routes = Blueprint("integrations", __name__, url_prefix="/v2/integrations/<app_id>")
    routes.post("/user/conversations", endpoint="create_conversation")(api.create_conversation)
    routes.post("/user/memories", endpoint="create_memories")(api.create_memories)
    routes.get("/conversations", endpoint="read_conversations")(api.read_conversations)
    routes.get("/memories", endpoint="read_memories")(api.read_memories)
    routes.post("/notification", endpoint="notification")(api.notification)
    app.register_blueprint(routes)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Complaints, lambda error: (jsonify(detail=error.rows), 422))


def _refused(error: Refused) -> tuple[Response, int, dict[str, str]]:
    return jsonify(detail=error.detail), error.status, error.headers


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
            "status": "completed",
            "discarded": False,
            "structured": structured(text or ""),
            "transcript_segments": [],
            "geolocation": geolocation,
            "external_data": {
                "text": text,
                "text_source": source,
                "text_source_spec": spec,
                "app_id": app_id,
                "language": language or "en",
                "started_at": started,
                "finished_at": finished,
                "geolocation": geolocation,
            },
        }
        return self._faulty.work(lambda: self._state.add_conversation(uid, conversation))

    def create_memories(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        body = check.body(request.get_data(), request.content_type or "")
        at = ["body"]
        text = check.string(body, "text", at=at, required=True)
        source = check.choice(body, "text_source", MEMORY_SOURCES, "other")
        spec = check.string(body, "text_source_spec", at=at)
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
            for number, memory in enumerate([*explicit, *mined]):
                self._state.add_memory(
                    uid,
                    {key: value for key, value in shared.items() if value}
                    | memory
                    | {
                        "category": "system" if number < len(explicit) else "interesting",
                        "visibility": "private",
                        "created_at": now,
                        "updated_at": now,
                        "app_id": app_id,
                        "text_source": source,
                        "text_source_spec": spec,
                        "reviewed": False,
                        "manually_added": False,
                        "edited": False,
                        "is_locked": False,
                    },
                )

        return self._faulty.work(store)

    # --- reads --------------------------------------------------------------------------------------------

    def read_conversations(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        limit = check.integer(request.args, "limit", 100, 1, 1000)
        offset = check.integer(request.args, "offset", 0, 0)
        discarded = check.boolean(request.args, "include_discarded")
        check.integer(request.args, "max_transcript_segments", 100, -1, 1000)
        statuses = set(request.args.getlist("statuses"))
        check.close()
        self._authorize(app_id, "Invalid API key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read conversations", "read_conversations")
        start, end = _bound("start_date"), _bound("end_date")
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
        page = found[offset : offset + limit]
        return self._faulty.read(Refused, jsonify(conversations=[_plain(row, top=True) for row in page]))

    def read_memories(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        limit = check.integer(request.args, "limit", 100, 1, 1000)
        offset = check.integer(request.args, "offset", 0, 0)
        check.close()
        self._authorize(app_id, "Invalid API key")
        self._enabled(app_id, uid)
        self._capability(app_id, "read memories", "read_memories", "read_facts")
        with self._state.lock:
            rows = sorted(self._state.user(uid).memories.values(), key=lambda row: row["created_at"], reverse=True)
        page = rows[offset : offset + limit]
        return self._faulty.read(Refused, jsonify(memories=[_plain(row) for row in page]))

    # --- notification -------------------------------------------------------------------------------------

    def notification(self, app_id: str) -> Response:
        check = Checker()
        uid = check.uid(request.args)
        message = request.args.get("message")
        if message is None:
            check.complain("missing", ["query", "message"], "Field required", None)
        check.close()
        self._authorize(app_id, "Invalid API key")
        if not self._state.is_enabled(uid):
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
        header = request.headers.get("Authorization", "")
        if not header.startswith("Bearer "):
            raise Refused(401, _NO_HEADER)
        with self._state.lock:
            app = self._state.apps.get(app_id)
            known = app is not None and digest(header.removeprefix("Bearer ")) in app.key_digests
        if not known:
            raise Refused(403, detail)

    def _limit(self, policy: str, app_id: str, uid: str) -> None:
        self._faulty.limit(Refused)
        refusal = self._limits.hit(policy, f"{app_id}:{uid}")
        if refusal:
            headers = {
                "X-RateLimit-Limit": str(refusal.limit),
                "X-RateLimit-Remaining": "0",
                "Retry-After": str(refusal.retry_after),
            }
            detail = f"Rate limit exceeded. Try again in {refusal.retry_after}s."
            raise Refused(429, detail, headers)

    def _enabled(self, app_id: str, uid: str) -> None:
        if app_id not in self._state.apps:
            raise Refused(404, "App not found")
        if not self._state.is_enabled(uid):
            raise Refused(403, "App is not enabled for this user")

    def _capability(self, app_id: str, words: str, *actions: str) -> None:
        if not self._state.apps[app_id].actions & set(actions):
            raise Refused(403, f"App does not have the capability to {words}")


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
        tags = row.get("tags") or []
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            check.complain("list_type", [*at, "tags"], "Input should be a valid list", tags)
            tags = []
        memory: dict[str, Any] = {"content": content or "", "tags": tags}
        for name in ("source_id", "source_url"):
            if (value := check.string(row, name, at=at)) is not None:
                memory[name] = value
        found.append(memory)
    return found


def _bound(name: str) -> datetime | None:
    raw = request.args.get(name)
    if not raw:
        return None
    parsed = parse_bound(raw, end=name == "end_date")
    if parsed is None:
        raise Refused(400, _BAD_DATE.format(name=name))
    return parsed


def _plain(value: Any, *, top: bool = False) -> Any:
    """JSON values: datetimes with `Z`; nulls left out of the item itself and kept inside `external_data`."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if not (top and item is None)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def structured(text: str) -> dict[str, Any]:
    """No model here: the title is the subject, or the first eight words that somebody said; the overview is the
    first 200 characters.
    """
    subject = re.search(r"\A(?:[^\n]*\n){0,4}Subject: ([^\n]+)", text)
    said = subject.group(1) if subject else re.sub(r"^[^\s:]{1,30}:\s+", "", text.strip())
    return {
        "title": " ".join(said.split()[:8]) or "Untitled",
        "overview": " ".join(text.split())[:200],
        "emoji": "🧠",
        "category": "other",
        "action_items": [],
        "events": [],
    }


def memories_from(text: str) -> list[str]:
    """No model here: every sentence of at least four words is a memory, up to four of them."""
    sentences = re.split(r"(?<=[.!?])\s+|\n+", text.strip())
    return [sentence.strip() for sentence in sentences if len(sentence.split()) >= 4][:4]
