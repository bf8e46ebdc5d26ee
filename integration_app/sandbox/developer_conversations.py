"""v1/dev: conversations, from text and from segments, and questions about them."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

from integration_app.sandbox.answers import Crashed, Refused, plain
from integration_app.sandbox.creation import create
from integration_app.sandbox.developer import (
    NOTHING_TO_CHANGE,
    Developer,
    clamped,
    flag_of,
    given,
    known_categories,
    number_of,
    rows_of,
    text_of,
)
from integration_app.sandbox.extraction import is_worth_keeping
from integration_app.sandbox.integrations_api import CONVERSATION_SOURCES
from integration_app.sandbox.moments import is_naive
from integration_app.sandbox.segments import BROKEN_SOURCES, SOURCES, reasonable, segment, spoken
from integration_app.sandbox.state import OLD, DeveloperKey
from integration_app.sandbox.validation import Checker

CATEGORIES = (
    "personal", "education", "health", "finance", "legal", "philosophy", "spiritual", "science", "entrepreneurship",
    "parenting", "romantic", "travel", "inspiration", "technology", "business", "social", "work", "sports", "politics",
    "literature", "history", "architecture", "music", "weather", "news", "entertainment", "psychology", "real",
    "design", "family", "economics", "environment", "other",
)  # fmt: skip
_SESSION_NAMES = ("client_session_id", "client_conversation_id", "session_id", "client_id")
_HIDDEN = frozenset(
    ("external_data", "app_id", "transcript_segments", "status", "discarded", "starred", "mines", "is_locked")
)
_STALE = timedelta(minutes=15)


def install(app: Flask, api: Developer) -> None:
    found = _Conversations(api)
    routes = Blueprint("developer_conversations", __name__, url_prefix="/v1/dev/user")
    routes.get("/conversations", endpoint="dev_read_conversations")(found.read_all)
    routes.post("/conversations", endpoint="dev_create_conversation")(found.create_from_text)
    routes.post("/conversations/from-segments", endpoint="dev_create_from_segments")(found.create_from_segments)
    routes.get("/conversations/<item_id>", endpoint="dev_read_conversation")(found.read_one)
    routes.patch("/conversations/<item_id>", endpoint="dev_update_conversation")(found.update)
    routes.delete("/conversations/<item_id>", endpoint="dev_delete_conversation")(found.delete)
    routes.post("/ask", endpoint="dev_ask")(found.ask)
    app.register_blueprint(routes)


class _Conversations:
    def __init__(self, api: Developer) -> None:
        self._api = api
        self._state = api.state

    def read_all(self) -> Response:
        with_transcript = request.args.get("include_transcript", "").lower() in ("1", "true", "t", "yes", "on")
        policies = ["dev:conversation_reads_total", "dev:conversations_read"]
        key = self._api.enter("conversations:read", *policies, *_transcript_policy(with_transcript))
        limit = clamped("limit", 25, 25 if with_transcript else 100)
        offset = clamped("offset", 0, 10**9, 0)
        check = Checker()
        check.boolean(request.args, "include_transcript")
        starred = check.boolean(request.args, "starred") if "starred" in request.args else None
        start, end = (check.query_moment(request.args, name) for name in ("start_date", "end_date"))
        folder = request.args.get("folder_id")
        if folder == "":
            check.complain(
                "string_too_short", ["query", "folder_id"], "String should have at least 1 character", "", min_length=1
            )
        check.close()
        categories = known_categories(request.args.get("categories", ""), CATEGORIES)
        with self._state.lock:
            rows = sorted(self._rows(key), key=lambda row: row["created_at"], reverse=True)
        found = [
            row
            for row in rows
            if row["status"] == "completed"
            and not row["discarded"]
            and (start is None or row["created_at"] >= start)
            and (end is None or row["created_at"] <= end)
            and (not categories or row["structured"]["category"] in categories)
            and (starred is None or row["starred"] == starred)
            and (folder is None or row["folder_id"] == folder)
        ]
        page = found[offset : offset + limit]
        return self._api.read(jsonify([self._shown(row, with_transcript) for row in page]))

    def read_one(self, item_id: str) -> Response:
        with_transcript = request.args.get("include_transcript", "").lower() in ("1", "true", "t", "yes", "on")
        policies = ["dev:conversation_reads_total", "dev:conversation_detail_read"]
        key = self._api.enter("conversations:read", *policies, *_transcript_policy(with_transcript))
        row = self._existing(key, item_id)
        if row.get("is_locked"):
            raise Refused(404, "Conversation not found")
        return self._api.read(jsonify(self._shown(row, with_transcript)))

    def create_from_text(self) -> Response:
        key = self._api.enter("conversations:write", "dev:conversations")
        check = Checker()
        body = given(check)
        text = text_of(check, body, "text", low=1, high=100_000, required=True)
        if text is not None and not text.strip():
            raise Refused(422, "text cannot be empty")
        source = check.choice(body, "text_source", CONVERSATION_SOURCES, "other_text")
        spec = check.string(body, "text_source_spec", at=["body"])
        conversation = self._common(check, body)
        check.close()
        finished = conversation["finished_at"] or conversation["started_at"] + timedelta(minutes=5)
        if finished < conversation["started_at"]:
            raise Refused(422, "finished_at must be after started_at")
        conversation |= {
            "finished_at": finished,
            "source": "external_integration",
            "transcript_segments": [],
            "external_data": {"text": text, "text_source": source, "text_source_spec": spec},
        }
        return self._api.write(lambda: self._created(create(self._state, key.uid, conversation, text or "")))

    def create_from_segments(self) -> Response:
        key = self._api.enter("conversations:write", "dev:conversations")
        check = Checker()
        body = given(check)
        rows = rows_of(check, body, "transcript_segments", low=1, high=500)
        segments = [segment(check, row, number) for number, row in enumerate(rows)]
        source = check.string(body, "source", at=["body"]) or "phone"
        source = source if source in SOURCES else "unknown"  # so Omi's own enumeration has it
        named = next((name for name in _SESSION_NAMES if body.get(name) is not None), None)
        session = text_of(check, body, named, low=1, high=200) if named else None
        conversation = self._common(check, body)
        check.close()
        for number, row in enumerate(segments):
            reasonable(number, row)
        ends = segments[-1]["end"]
        finished = conversation["finished_at"] or conversation["started_at"] + timedelta(seconds=ends)
        if finished <= conversation["started_at"]:
            raise Refused(422, "finished_at must be after started_at")
        if source in BROKEN_SOURCES and self._state.omi == OLD:
            raise Refused(500, "Error processing conversation, please try again later")
        text = "\n".join(f"{row['speaker']}: {row['text']}" for row in segments)
        conversation |= {
            "finished_at": finished,
            "source": source,
            "transcript_segments": segments,
            "external_data": None,
        }
        spoken = " ".join(row["text"] for row in segments)
        keep = is_worth_keeping(spoken, ends, conversation["started_at"])
        conversation["mines"] = source not in BROKEN_SOURCES
        return self._api.write(lambda: self._once(key, session, conversation, text, keep))

    def _once(
        self, key: DeveloperKey, session: str | None, conversation: dict[str, Any], text: str, keep: bool
    ) -> Response:
        """With a `client_session_id` the same id comes back, however often it is sent; what was deleted stays so."""
        if session is None:
            return self._created(create(self._state, key.uid, conversation, text, keep=keep))
        with self._state.lock:
            user = self._state.user(key.uid)
            made = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{key.uid}:{session}"))
            if session in user.sessions:
                known = next((row for row in user.conversations if row["id"] == made), None)
                if known is None:
                    return jsonify(id=made, status="deleted", discarded=True)
                return self._created(known)
            user.sessions[session] = made
        return self._created(create(self._state, key.uid, {"id": made, **conversation}, text, keep=keep))

    def update(self, item_id: str) -> Response:
        key = self._api.enter("conversations:write", "dev:conversations")
        check = Checker()
        body = given(check)
        title = text_of(check, body, "title", low=1, high=500)
        discarded = flag_of(check, body, "discarded")
        check.close()
        if title is None and discarded is None:
            raise Refused(422, NOTHING_TO_CHANGE)
        row = self._existing(key, item_id)
        _not_locked(row)

        def change() -> Response:
            with self._state.lock:
                if title is not None:
                    row["structured"]["title"] = title
                if discarded is not None:
                    row["discarded"] = discarded
            return jsonify(self._shown(row, False))

        return self._api.write(change)

    def delete(self, item_id: str) -> Response:
        key = self._api.enter("conversations:write", "dev:conversations")
        row = self._existing(key, item_id)
        _not_locked(row)

        def change() -> Response:
            with self._state.lock:
                self._rows(key).remove(row)
            return jsonify(success=True)

        return self._api.write(change)

    def ask(self) -> Response:
        """Answers with the overviews in which a word of the question occurs: there is no model here."""
        key = self._api.enter("conversations:read", "dev:ask")
        check = Checker()
        body = given(check)
        question = text_of(check, body, "question", low=1, high=2000, required=True)
        limit = number_of(check, body, "limit")
        check.close()
        words = {word for word in (question or "").lower().split() if len(word) > 3}
        with self._state.lock:
            rows = sorted(self._rows(key), key=lambda row: row["created_at"], reverse=True)
        found = [row for row in rows if words & set(row["structured"]["overview"].lower().split())]
        found = found[: min(max(int(limit or 5), 1), 10)]
        said = " ".join(row["structured"]["overview"] for row in found) or "Nothing of that kind was found."
        sources = [{"id": row["id"], "title": row["structured"]["title"]} for row in found]
        return self._api.read(jsonify(answer=said, sources=sources))

    # --- shared -------------------------------------------------------------------------------------------

    def _common(self, check: Checker, body: dict[str, Any]) -> dict[str, Any]:
        given_start, finished = check.moment(body, "started_at"), check.moment(body, "finished_at")
        if (
            given_start
            and finished
            and not check.rows
            and is_naive(body["started_at"]) != is_naive(body["finished_at"])
        ):
            raise Crashed  # Omi compares the two
        started = given_start or self._state.now()
        return {
            "created_at": started,
            "started_at": started,
            "finished_at": finished,
            "language": check.string(body, "language", at=["body"]) or "en",
            "geolocation": check.geolocation(body),
            "app_id": None,
        }

    def _rows(self, key: DeveloperKey) -> list[dict[str, Any]]:
        return self._state.user(key.uid).conversations

    def _existing(self, key: DeveloperKey, item_id: str) -> dict[str, Any]:
        with self._state.lock:
            found = next((row for row in self._rows(key) if row["id"] == item_id), None)
        if found is None:
            raise Refused(404, "Conversation not found")
        return found

    def _created(self, row: dict[str, Any]) -> Response:
        return jsonify(id=row["id"], status=row["status"], discarded=row["discarded"])

    def _shown(self, row: dict[str, Any], with_transcript: bool) -> dict[str, Any]:
        found: dict[str, Any] = plain({name: value for name, value in row.items() if name not in _HIDDEN})
        said = row["transcript_segments"] if with_transcript else None
        found["transcript_segments"] = None if said is None else [spoken(row) for row in said]
        found["folder_name"] = None
        return found


def _transcript_policy(with_transcript: bool) -> list[str]:
    return ["dev:conversation_transcript_read"] if with_transcript else []


def _not_locked(row: dict[str, Any]) -> None:
    if row.get("is_locked"):
        raise Refused(402, "A paid plan is required to access this conversation.")
