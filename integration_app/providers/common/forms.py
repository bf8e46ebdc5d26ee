"""What was filled in, in a form that a messenger shows, as lines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from integration_app.text.clean import one_line

_INNER = ("response_json", "flowResponse", "nfm_reply", "data")
"""Under which names vendors wrap the answers once more."""
_SILENT = frozenset(("flow_token", "type", "name", "body"))
_ROWS_MAX = 100
_DEPTH_MAX = 4


def form_lines(raw: str) -> str:
    """`name: value` for each answer in a JSON object, also where it is wrapped; what cannot be read stands as it is."""
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return one_line(raw, 2000)
    rows = list(_rows(found, _DEPTH_MAX))[:_ROWS_MAX]
    return "\n".join(["[Answers of a form]", *rows]) if rows else ""


def _rows(found: Any, depth: int) -> Iterator[str]:
    if not isinstance(found, dict):
        return
    inner = next((found[name] for name in _INNER if name in found), None)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            inner = None
    if isinstance(inner, dict) and depth:
        yield from _rows(inner, depth - 1)
        return
    for name, value in found.items():
        said = _said(value, _DEPTH_MAX)
        if name not in _SILENT and said:
            yield f"{one_line(str(name), 100)}: {said}"


def _said(value: Any, depth: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return one_line(str(value), 2000)
    if isinstance(value, list) and depth:
        return ", ".join(said for item in value[:_ROWS_MAX] if (said := _said(item, depth - 1)))
    return ""
