"""The border of the Developer API: between JSON and its types. Unknown fields in answers are let pass."""

from __future__ import annotations

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, post_dump, post_load

from integration_app.omi import developer_types as types
from integration_app.omi.schemas import GeolocationSchema, UtcDateTime


class _Request(Schema):
    @post_dump
    def _leave_out_nulls(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in data.items() if value is not None}


class NewMemorySchema(_Request):
    content = fields.Str()
    category = fields.Str()
    visibility = fields.Str()
    tags = fields.List(fields.Str())


class NewActionItemSchema(_Request):
    description = fields.Str()
    completed = fields.Bool()
    due_at = UtcDateTime()


class NewTextConversationSchema(_Request):
    text = fields.Str()
    text_source = fields.Str()
    text_source_spec = fields.Str()
    started_at = UtcDateTime()
    finished_at = UtcDateTime()
    language = fields.Str()
    geolocation = fields.Nested(GeolocationSchema)


class NewSegmentSchema(_Request):
    text = fields.Str()
    speaker = fields.Str()
    speaker_id = fields.Int()
    is_user = fields.Bool()
    person_id = fields.Str()
    start = fields.Float()
    end = fields.Float()


class NewSegmentsConversationSchema(_Request):
    transcript_segments = fields.List(fields.Nested(NewSegmentSchema), attribute="segments")
    source = fields.Str()
    client_session_id = fields.Str()
    started_at = UtcDateTime()
    finished_at = UtcDateTime()
    language = fields.Str()
    geolocation = fields.Nested(GeolocationSchema)


class _Answer(Schema):
    """Loads into `made`. Nulls stand for what is missing."""

    made: Any

    class Meta:
        unknown = EXCLUDE

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        for name in ("tags", "sources", "segments", "scopes"):
            if isinstance(data.get(name), list):
                data[name] = tuple(data[name])
        return self.made(**{name: value for name, value in data.items() if value is not None})


class CreatedSchema(_Answer):
    made = types.Created
    id = fields.Str(required=True)
    status = fields.Str(allow_none=True)
    discarded = fields.Bool(allow_none=True)


class MemorySchema(_Answer):
    made = types.DeveloperMemory
    id = fields.Str(required=True)
    content = fields.Str(required=True)
    category = fields.Str(allow_none=True)
    visibility = fields.Str(allow_none=True)
    tags = fields.List(fields.Str(), allow_none=True)
    created_at = UtcDateTime(allow_none=True)
    updated_at = UtcDateTime(allow_none=True)
    manually_added = fields.Bool(allow_none=True)
    scoring = fields.Str(allow_none=True)


class ActionItemSchema(_Answer):
    made = types.ActionItem
    id = fields.Str(required=True)
    description = fields.Str(required=True)
    completed = fields.Bool(allow_none=True)
    created_at = UtcDateTime(allow_none=True)
    updated_at = UtcDateTime(allow_none=True)
    due_at = UtcDateTime(allow_none=True)
    completed_at = UtcDateTime(allow_none=True)
    conversation_id = fields.Str(allow_none=True)


class SpokenSchema(_Answer):
    made = types.Spoken
    id = fields.Str(allow_none=True)
    text = fields.Str(required=True)
    speaker_id = fields.Int(allow_none=True)
    speaker_name = fields.Str(allow_none=True)
    start = fields.Float(required=True)
    end = fields.Float(required=True)


class ConversationSchema(_Answer):
    made = types.DeveloperConversation
    id = fields.Str(required=True)
    created_at = UtcDateTime(required=True)
    started_at = UtcDateTime(allow_none=True)
    finished_at = UtcDateTime(allow_none=True)
    language = fields.Str(allow_none=True)
    source = fields.Str(allow_none=True)
    folder_id = fields.Str(allow_none=True)
    folder_name = fields.Str(allow_none=True)
    structured = fields.Dict(allow_none=True)
    segments = fields.List(fields.Nested(SpokenSchema), data_key="transcript_segments", allow_none=True)
    geolocation = fields.Dict(allow_none=True)


class FolderSchema(_Answer):
    made = types.Folder
    id = fields.Str(required=True)
    name = fields.Str(required=True)


class GoalSchema(_Answer):
    made = types.Goal
    id = fields.Str(required=True)
    title = fields.Str(required=True)
    target_value = fields.Float(allow_none=True)
    current_value = fields.Float(allow_none=True)
    is_active = fields.Bool(allow_none=True)
    created_at = UtcDateTime(allow_none=True)
    updated_at = UtcDateTime(allow_none=True)


class ProgressSchema(_Answer):
    made = types.Progress
    date = UtcDateTime(required=True)
    value = fields.Float(required=True)


class KeySchema(_Answer):
    made = types.Key
    id = fields.Str(required=True)
    name = fields.Str(required=True)
    key_prefix = fields.Str(required=True)
    created_at = UtcDateTime(allow_none=True)
    last_used_at = UtcDateTime(allow_none=True)
    scopes = fields.List(fields.Str(), allow_none=True)
    secret = fields.Str(data_key="key", allow_none=True)


class AnswerSchema(_Answer):
    made = types.Answer
    answer = fields.Str(required=True)
    sources = fields.List(fields.Dict(), allow_none=True)
