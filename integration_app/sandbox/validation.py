"""Checks query and body the way Omi's framework does, down to the form of its complaints.

A complaint names its place and repeats the offending input, as the real one does.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from typing import Any

MISSING = object()


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
        raw = args.get(name)
        if raw is None:
            return default
        loc = ["query", name]
        if not re.fullmatch(r"\s*[+-]?\d+\s*", raw):
            msg = "Input should be a valid integer, unable to parse string as an integer"
            self.complain("int_parsing", loc, msg, raw)
            return default
        value = int(raw)
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
        if low in ("1", "true", "t", "yes", "y", "on"):
            return True
        if low in ("0", "false", "f", "no", "n", "off"):
            return False
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
        if subtype != "application/json" and not subtype.endswith("+json"):
            self._no_object(raw.decode("utf-8", "replace"))
        try:
            value = json.loads(raw)
        except json.JSONDecodeError as error:
            self.complain(
                "json_invalid", ["body", error.pos], "JSON decode error", {}, error=error.msg.partition(":")[0]
            )
            self.close()
        except (UnicodeDecodeError, RecursionError):
            self.complain("json_invalid", ["body", 0], "JSON decode error", {}, error="Expecting value")
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
        value = body.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            self.complain("int_type", ["body", name], "Input should be a valid integer", value)
            return default
        return value

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
        parsed = parse_moment(value)
        if parsed is None:
            short = isinstance(value, str) and len(value) < 10
            why = "input is too short" if short else "invalid character in year"
            msg = f"Input should be a valid datetime or date, {why}"
            self.complain("datetime_from_date_parsing", ["body", name], msg, value, error=why)
        return parsed

    def geolocation(self, body: dict[str, Any]) -> dict[str, Any] | None:
        value = body.get("geolocation")
        if value is None:
            return None
        loc = ["body", "geolocation"]
        if not isinstance(value, dict):
            msg = "Input should be a valid dictionary or object to extract fields from"
            self.complain("model_attributes_type", loc, msg, value)
            return None
        for name, bound in (("latitude", 90), ("longitude", 180)):
            number = value.get(name, MISSING)
            if number is MISSING:
                self.complain("missing", [*loc, name], "Field required", value)
            elif isinstance(number, bool) or not isinstance(number, int | float):
                self.complain("float_type", [*loc, name], "Input should be a valid number", number)
            elif number > bound:
                msg = f"Input should be less than or equal to {bound}"
                self.complain("less_than_equal", [*loc, name], msg, number, le=float(bound))
            elif number < -bound:
                msg = f"Input should be greater than or equal to -{bound}"
                self.complain("greater_than_equal", [*loc, name], msg, number, ge=float(-bound))
        return value


def parse_moment(value: Any) -> datetime | None:
    """ISO with or without offset, a bare date (midnight), or Unix seconds; naive ones are taken as UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str):
            return None
        text = value.strip()
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            parsed = datetime.combine(date.fromisoformat(text), datetime.min.time())
        elif re.fullmatch(r"\d+(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        else:
            parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def parse_bound(value: str, *, end: bool) -> datetime | None:
    """A start or end of a range; a bare date as an end means the whole day."""
    parsed = parse_moment(value)
    if parsed and end and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.strip()):
        return parsed.replace(hour=23, minute=59, second=59, microsecond=999999)
    return parsed
