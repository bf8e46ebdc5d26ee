"""The file of custom doors: what may stand in it, and where it is wrong, by line and field. Pure.

[doors.<name>]    reached at /webhooks/custom/<name>
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from integration_app.model.messages import CHAT_CHANNELS

DOORS_MAX = 50
PROOFS = ("hmac", "standard-webhooks", "jwt-hs256", "token-header", "basic", "token-url")
SENDERS = ("account", "phone", "mailbox")

_PATH = re.compile(r"[\w$@*-]{1,80}(\.[\w$@*-]{1,80}){0,15}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_HEADER = re.compile(r"(?!(?i:host|content-[a-z]+|connection)\Z)[A-Za-z0-9-]{1,80}")
_SETTING = re.compile(r"[A-Z][A-Z0-9_]{2,79}")


class DoorsError(ValueError):
    """The file cannot be used; the sentences say where and why."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How a request proves itself: `scheme`, the setting that holds the secrets, and where the vendor puts what."""

    scheme: str
    secrets: str
    header: str = ""
    prefix: str = ""
    encoding: str = "hex"
    signed: str = "{body}"
    time_header: str = ""
    tolerance_seconds: int = 300
    parameter: str = "token"
    body_claim: str = ""


@dataclass(frozen=True, slots=True)
class DoorConfig:
    """One door. Paths lead into the JSON: names and numbers with dots between, `*` for each of a list."""

    name: str
    title: str
    channel: str
    proof: Proof
    text: tuple[str, ...]
    sender: str
    id: str
    sender_is: str = "account"
    sender_name: str = ""
    time: str = ""
    items: str = ""
    to: str = ""
    subject: str = ""
    html: str = ""
    only_if: Mapping[str, Any] | None = None
    not_if: tuple[str, ...] = ()
    unescape: bool = False
    echo: str = ""
    refused_status: int = 200
    unproven_status: int = 401
    busy_status: int = 503


_REFUSED_STATUS = validate.OneOf((200, 202, *range(400, 600)), error="is 200, 202, or an error (400 to 599)")
_ERROR_STATUS = validate.Range(400, 599, error="is an error (400 to 599): else the vendor takes it for taken")


def _path(*, required: bool = False) -> fields.Str:
    return fields.Str(required=required, validate=validate.Regexp(_whole(_PATH), error="is no path such as event.text"))


def _whole(pattern: re.Pattern[str]) -> str:
    return rf"(?:{pattern.pattern})\Z"


class _Plain(fields.Field[Any]):
    """What a value in JSON can be equal to."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str | int | bool):
            raise ValidationError("is a text, a whole number, true or false; a path with dots stands in quotes")
        return value


class ProofSchema(Schema):
    scheme = fields.Str(required=True, validate=validate.OneOf(PROOFS))
    secrets = fields.Str(required=True, validate=validate.Regexp(_whole(_SETTING), error="names a setting: MY_SECRETS"))
    header = fields.Str(validate=validate.Regexp(_whole(_HEADER), error="is no name of a header"))
    prefix = fields.Str(validate=validate.Regexp(r"\S.{0,39}\Z", error="must not begin with a blank"))
    encoding = fields.Str(validate=validate.OneOf(("hex", "base64")))
    signed = fields.Str(validate=validate.Length(1, 200))
    time_header = fields.Str(validate=validate.Regexp(_whole(_HEADER), error="is no name of a header"))
    tolerance_seconds = fields.Int(strict=True, validate=validate.Range(10, 3600))
    parameter = fields.Str(validate=validate.Regexp(r"[\w-]{1,40}\Z", error="is no name of a parameter"))
    body_claim = fields.Str(validate=validate.Length(1, 80))

    @validates_schema
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        signed = data.get("signed", "{body}")
        if data.get("scheme") in ("hmac", "token-header") and "header" not in data:
            raise ValidationError("is needed for this scheme", "header")
        if signed.count("{body}") != 1 or re.sub(r"\{(body|time)\}", "", signed).count("{"):
            raise ValidationError("must hold {body} once, and may hold {time}", "signed")
        if ("{time}" in signed) != ("time_header" in data):
            raise ValidationError("goes with {time} in signed", "time_header")

    @post_load
    def _made(self, data: dict[str, Any], **_: Any) -> Proof:
        return Proof(**data)


class DoorSchema(Schema):
    title = fields.Str(required=True, validate=validate.Length(1, 60))
    channel = fields.Str(load_default="chat", validate=validate.OneOf((*sorted(CHAT_CHANNELS), "email", "event")))
    proof = fields.Nested(ProofSchema, required=True)
    text = fields.List(_path(), required=True, validate=validate.Length(1, 10))
    sender = _path(required=True)
    sender_is = fields.Str(validate=validate.OneOf(SENDERS))
    sender_name = _path()
    id = _path(required=True)
    time = _path()
    items = _path()
    to = _path()
    subject = _path()
    html = _path()
    only_if = fields.Dict(keys=_path(), values=_Plain())
    not_if = fields.List(_path())
    unescape = fields.Bool(truthy={True}, falsy={False})
    echo = _path()
    refused_status = fields.Int(strict=True, validate=_REFUSED_STATUS)
    unproven_status = fields.Int(strict=True, validate=_ERROR_STATUS)
    busy_status = fields.Int(strict=True, validate=_ERROR_STATUS)

    @validates_schema
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        is_mail = data.get("channel") == "email"
        if is_mail != ("to" in data):
            raise ValidationError('goes with channel = "email": which private addresses it reached', "to")
        if is_mail != (data.get("sender_is") == "mailbox"):
            raise ValidationError('mailbox goes with channel = "email"', "sender_is")


_DOOR = DoorSchema()


def read_doors(text: str) -> tuple[DoorConfig, ...]:
    """Raises `DoorsError` with every mistake: line, field, what is wrong."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # it says the line
        raise DoorsError(str(error)) from None
    doors = found.get("doors")
    if set(found) != {"doors"} or not isinstance(doors, dict) or not doors or len(doors) > DOORS_MAX:
        raise DoorsError(f"line 1: it holds tables [doors.<name>], up to {DOORS_MAX}, and nothing else")
    made, wrong = [], []
    for name, table in doors.items():
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            wrong.append(f"line {_line(text, name)}: doors.{name}: a name is letters, digits and -, small")
            continue
        try:
            made.append(_config(name, _DOOR.load(table)))
        except ValidationError as error:
            wrong += [f"line {_line(text, name, *path)}: {'.'.join(('doors', name, *path))}: {why}"
                      for path, why in _mistakes(error.messages_dict)]  # fmt: skip
    if wrong:
        raise DoorsError("; ".join(wrong))
    return tuple(made)


def _config(name: str, values: dict[str, Any]) -> DoorConfig:
    values |= {key: tuple(values[key]) for key in ("text", "not_if") if key in values}
    return DoorConfig(name=name, **values)


def _mistakes(messages: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    if isinstance(messages, dict):
        return [row for key, rest in messages.items() for row in _mistakes(rest, (*path, str(key)))]
    clean = tuple(part for part in path if part not in ("_schema", "key", "value"))
    return [(clean, "; ".join(map(str, messages)).rstrip("."))]


def _line(text: str, door: str, *path: str) -> int:
    """Where the field stands; else where its table begins."""
    rows = text.splitlines()
    heads = [f"[doors.{door}.{path[0]}]"] if path else []
    start = next((number for head in [*heads, f"[doors.{door}"] for number, row in enumerate(rows) if head in row), 0)
    after = (n for n, row in enumerate(rows) if n > start and row.startswith("[") and f"[doors.{door}" not in row)
    table = rows[start : next(after, len(rows))]
    for field in (part for part in reversed(path) if not part.isdigit()):
        for number, row in enumerate(table, start + 1):
            if re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", row):
                return number
    return start + 1
