"""The border: marshmallow schemas between JSON and the types. Unknown fields in answers are let pass.

`text` is written even when it is null for explicit memories: Omi requires the key.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_dump, post_load

from integration_app.omi.types import Conversation, Memory, Task


class UtcDateTime(fields.Field[datetime]):
    """ISO 8601 with `Z`, an offset or none (then UTC), or Unix seconds."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else value.astimezone(UTC).isoformat()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC)
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            raise ValidationError("not a date and time") from None


class GeolocationSchema(Schema):
    latitude = fields.Float(required=True)
    longitude = fields.Float(required=True)


class NewConversationSchema(Schema):
    text = fields.Str(required=True)
    text_source = fields.Str(required=True)
    text_source_spec = fields.Str()
    started_at = UtcDateTime()
    finished_at = UtcDateTime()
    language = fields.Str()
    geolocation = fields.Nested(GeolocationSchema)

    @post_dump
    def _leave_out_nulls(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class NewMemorySchema(Schema):
    content = fields.Str(required=True)
    tags = fields.List(fields.Str())
    source_id = fields.Str()
    source_url = fields.Str()

    @post_dump
    def _leave_out_nulls(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value not in (None, [])}


class NewMemoriesSchema(Schema):
    text = fields.Str(allow_none=True)
    memories = fields.List(fields.Nested(NewMemorySchema))
    text_source = fields.Str()
    text_source_spec = fields.Str()
    source_id = fields.Str()
    source_url = fields.Str()

    @post_dump
    def _leave_out_nulls(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        kept = {name: value for name, value in data.items() if value not in (None, [])}
        return {"text": data.get("text")} | kept


class ConversationSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.Str(required=True)
    created_at = UtcDateTime(required=True)
    started_at = UtcDateTime(allow_none=True)
    finished_at = UtcDateTime(allow_none=True)
    source = fields.Str(allow_none=True)
    app_id = fields.Str(allow_none=True)
    language = fields.Str(allow_none=True)
    status = fields.Str(allow_none=True)
    discarded = fields.Bool()
    structured = fields.Dict(allow_none=True)
    transcript_segments = fields.List(fields.Dict(), allow_none=True)
    external_data = fields.Dict(allow_none=True)
    geolocation = fields.Dict(allow_none=True)
    seed_text = fields.Str(data_key="text", allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Conversation:
        for name in ("structured", "external_data"):
            data[name] = data.get(name) or {}
        data["transcript_segments"] = tuple(data.get("transcript_segments") or ())
        return Conversation(**data)


class MemorySchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.Str(required=True)
    content = fields.Str(required=True)
    created_at = UtcDateTime(allow_none=True)
    tags = fields.List(fields.Str(), allow_none=True)
    category = fields.Str(allow_none=True)
    app_id = fields.Str(allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Memory:
        data["tags"] = tuple(data.get("tags") or ())
        return Memory(**data)


class TaskSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.Str(required=True)
    description = fields.Str(required=True)
    completed = fields.Bool(allow_none=True)
    created_at = UtcDateTime(allow_none=True)
    updated_at = UtcDateTime(allow_none=True)
    due_at = UtcDateTime(allow_none=True)
    completed_at = UtcDateTime(allow_none=True)
    conversation_id = fields.Str(allow_none=True)

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Task:
        return Task(**data | {"completed": bool(data.get("completed"))})
