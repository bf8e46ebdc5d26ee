"""Checks query and body the way Omi's framework does, down to the form of its complaints.

A complaint names its place and repeats the offending input, as the real one does.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from integration_app.sandbox import moments

MISSING = object()
_INTEGER = re.compile(r"\s*[+-]?\d+(?:_\d+)*(?:\.0+)?\s*")
_TRUE, _FALSE = frozenset(("1", "true", "t", "yes", "y", "on")), frozenset(("0", "false", "f", "no", "n", "off"))
_DECIMAL = re.compile(r"\s*[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?\s*")


class BadBody(Exception):  # noqa: N818 - it is an answer
    """400: a body that is no text."""


class Complaints(Exception):  # noqa: N818 - it carries them
    """422: everything that is wrong with a request, in the framework's form."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        super().__init__("422")
        self.rows = rows


class Checker:
    """Collects complaints while values are read; `close` raises them together."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def complain(self, kind: str, loc: list[Any], msg: str, given: Any, **ctx: Any) -> None:
        row = {"type": kind, "loc": loc, "msg": msg, "input": given}
        self.rows.append(row | ({"ctx": ctx} if ctx else {}))

    def close(self) -> None:
        if self.rows:
            raise Complaints(self.rows)

    # --- query --------------------------------------------------------------------------------------------

    def uid(self, args: Any) -> str:
        given = args.getlist("uid") if hasattr(args, "getlist") else [args.get("uid")]
        uid = given[-1] if given else None  # the last one counts
        if uid is None:
            self.complain("missing", ["query", "uid"], "Field required", None)
            return ""
        return str(uid)

    def integer(self, args: Any, name: str, default: int, low: int, high: int | None = None) -> int:
        every = args.getlist(name)
        if not every:
            return default
        raw, loc = every[-1], ["query", name]
        if not _INTEGER.fullmatch(raw):
            msg = "Input should be a valid integer, unable to parse string as an integer"
            self.complain("int_parsing", loc, msg, raw)
            return default
        value = int(raw.partition(".")[0])
        if value < low:
            msg = f"Input should be greater than or equal to {low}"
            self.complain("greater_than_equal", loc, msg, raw, ge=low)
        if high is not None and value > high:
            self.complain("less_than_equal", loc, f"Input should be less than or equal to {high}", raw, le=high)
        return value

    def boolean(self, args: Any, name: str) -> bool:
        raw = args.get(name)
        if raw is None:
            return False
        low = raw.strip().lower()
        if low in _TRUE | _FALSE:
            return low in _TRUE
        msg = "Input should be a valid boolean, unable to interpret input"
        self.complain("bool_parsing", ["query", name], msg, raw)
        return False

    # --- body ---------------------------------------------------------------------------------------------

    def body(self, raw: bytes, content_type: str) -> dict[str, Any]:
        """The JSON object of a request."""
        if not raw:
            self.complain("missing", ["body"], "Field required", None)
            self.close()
        subtype = content_type.partition(";")[0].strip().lower()
        if subtype and subtype != "application/json" and not subtype.endswith("+json"):
            self._no_object(raw.decode("utf-8", "replace"))
        try:
            value = json.loads(raw)
        except json.JSONDecodeError as error:
            self.complain(
                "json_invalid", ["body", error.pos], "JSON decode error", {}, error=error.msg.partition(":")[0]
            )
            self.close()
        except UnicodeDecodeError:
            raise BadBody from None
        except RecursionError:
            self.complain("json_invalid", ["body", 0], "JSON decode error", {}, error="Expecting value")
            self.close()
        if value is None:
            self.complain("missing", ["body"], "Field required", None)
            self.close()
        if not isinstance(value, dict):
            self._no_object(value)
        body: dict[str, Any] = value
        return body

    def _no_object(self, given: Any) -> None:
        msg = "Input should be a valid dictionary or object to extract fields from"
        self.complain("model_attributes_type", ["body"], msg, given)
        self.close()

    def string(
        self, body: dict[str, Any], name: str, *, at: list[Any], required: bool = False, null: bool = True
    ) -> str | None:
        value = body.get(name, MISSING)
        if value is MISSING:
            if required:
                self.complain("missing", [*at, name], "Field required", body)
            return None
        if value is None and null:
            return None
        if not isinstance(value, str):
            self.complain("string_type", [*at, name], "Input should be a valid string", value)
            return None
        return value

    def whole(self, body: dict[str, Any], name: str, default: int) -> int:
        value = body.get(name)
        if value is None:
            return default
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value.partition(".")[0])
        if isinstance(value, bool) or not isinstance(value, int):
            self.complain("int_type", ["body", name], "Input should be a valid integer", value)
            return default
        return value

    def flag(self, body: dict[str, Any], name: str) -> bool:
        """A boolean of a body, or text or a number that is one."""
        value = body.get(name, False)
        if isinstance(value, bool):
            return value
        if value in (0, 1):
            return bool(value)
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in _TRUE | _FALSE:
            kind = "bool_parsing" if isinstance(value, str) else "bool_type"
            self.complain(kind, ["body", name], "Input should be a valid boolean", value)
        return word in _TRUE

    def number(self, value: Any, loc: list[Any]) -> float | None:
        """A number, or text that is one."""
        if isinstance(value, str):
            if _DECIMAL.fullmatch(value):
                return float(value)
            msg = "Input should be a valid number, unable to parse string as a number"
            self.complain("float_parsing", loc, msg, value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            self.complain("float_type", loc, "Input should be a valid number", value)
        else:
            return float(value)
        return None

    def strings(self, value: Any, loc: list[Any]) -> list[str]:
        if not isinstance(value, list):
            self.complain("list_type", loc, "Input should be a valid list", value)
            return []
        for number, item in enumerate(value):
            if not isinstance(item, str):
                self.complain("string_type", [*loc, number], "Input should be a valid string", item)
        return [item for item in value if isinstance(item, str)]

    def choice(self, body: dict[str, Any], name: str, options: tuple[str, ...], default: str) -> str:
        value = body.get(name, default)
        if value not in options:
            expected = ", ".join(f"'{option}'" for option in options[:-1]) + f" or '{options[-1]}'"
            self.complain("enum", ["body", name], f"Input should be {expected}", value, expected=expected)
            return default
        return str(value)

    def moment(self, body: dict[str, Any], name: str) -> datetime | None:
        value = body.get(name)
        if value is None:
            return None
        return self._moment(value, ["body", name])

    def query_moment(self, args: Any, name: str) -> datetime | None:
        """A date of a query that the framework reads: midnight where there is no time."""
        value = args.get(name)
        return None if value is None else self._moment(value, ["query", name])

    def _moment(self, value: Any, loc: list[Any]) -> datetime | None:
        try:
            return moments.parse(value)
        except moments.Unreadable as unreadable:
            if not isinstance(value, str):
                self.complain("datetime_type", loc, "Input should be a valid datetime", value)
                return None
            why = str(unreadable)
            msg = f"Input should be a valid datetime or date, {why}"
            self.complain("datetime_from_date_parsing", loc, msg, value, error=why)
            return None

    def geolocation(self, body: dict[str, Any]) -> dict[str, Any] | None:
        value = body.get("geolocation")
        if value is None:
            return None
        loc = ["body", "geolocation"]
        if not isinstance(value, dict):
            msg = "Input should be a valid dictionary or object to extract fields from"
            self.complain("model_attributes_type", loc, msg, value)
            return None
        read = dict(value)
        for name, bound in (("latitude", 90), ("longitude", 180)):
            given = value.get(name, MISSING)
            if given is MISSING:
                self.complain("missing", [*loc, name], "Field required", value)
                continue
            number = read[name] = self.number(given, [*loc, name])
            if number is not None and number > bound:
                msg = f"Input should be less than or equal to {bound}"
                self.complain("less_than_equal", [*loc, name], msg, given, le=float(bound))
            elif number is not None and number < -bound:
                msg = f"Input should be greater than or equal to -{bound}"
                self.complain("greater_than_equal", [*loc, name], msg, given, ge=float(-bound))
        return read
