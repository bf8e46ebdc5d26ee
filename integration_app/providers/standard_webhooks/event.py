"""The event's form: what a journal, a meeting tool or a script may send. Errors name the field.

{"type": "conversation.create", "data": {"address": "<private inbox address>", "text": "…", …}}
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

CREATE_CONVERSATION, CREATE_MEMORIES = "conversation.create", "memories.create"


class Moment(fields.Field[datetime]):
    """ISO 8601 with an offset; one without is refused, because it is ambiguous."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("not an ISO 8601 time") from None
        if moment.tzinfo is None:
            raise ValidationError("has no offset from UTC")
        return moment.astimezone(UTC)


class GeolocationSchema(Schema):
    latitude = fields.Float(required=True, validate=validate.Range(-90, 90))
    longitude = fields.Float(required=True, validate=validate.Range(-180, 180))


class DataSchema(Schema):
    """Unknown fields are refused here: a misspelt one would be lost without a word."""

    uid = fields.Str(validate=validate.Length(1, 128))
    address = fields.Str(validate=validate.Length(1, 320))
    text = fields.Str(required=True, validate=validate.Length(1, 400_000))
    started_at = Moment()
    finished_at = Moment()
    geolocation = fields.Nested(GeolocationSchema)
    language = fields.Str(validate=validate.Length(2, 20))
    tags = fields.List(fields.Str(validate=validate.Length(1, 50)), validate=validate.Length(max=20))
    text_source = fields.Str(validate=validate.OneOf(("audio_transcript", "message", "other_text")))
    text_source_spec = fields.Str(validate=validate.Length(1, 100))

    @validates_schema
    def _whole(self, data: dict[str, Any], **_: Any) -> None:
        if ("uid" in data) == ("address" in data):
            raise ValidationError("give either uid or address", "uid")
        if "finished_at" in data and "started_at" not in data:
            raise ValidationError("needs started_at", "finished_at")
        if "finished_at" in data and data["finished_at"] < data["started_at"]:
            raise ValidationError("must not be before started_at", "finished_at")


class EventSchema(Schema):
    class Meta:
        unknown = EXCLUDE  # the envelope may carry more: `timestamp`, for one

    type = fields.Str(required=True, validate=validate.OneOf((CREATE_CONVERSATION, CREATE_MEMORIES)))
    data = fields.Nested(DataSchema, required=True)


def named(messages: Any, path: str = "") -> list[str]:
    """marshmallow's nested messages as `data.text: why`, one line each."""
    if isinstance(messages, dict):
        return [line for name, rest in messages.items() for line in named(rest, f"{path}.{name}".strip("."))]
    return [f"{path.replace('._schema', '')}: {'; '.join(map(str, messages)).rstrip('.')}"]
