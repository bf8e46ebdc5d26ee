"""Plays the Bot API on this machine: a file's id is its content, so nothing has to be kept."""

from __future__ import annotations

import base64
import binascii

from integration_app.providers.base import ApiAnswer, ApiRequest

_PREFIX = "local-"


def file_id_of(content: str) -> str:
    return _PREFIX + base64.urlsafe_b64encode(content.encode()[:200]).decode().rstrip("=")


def stand_in(request: ApiRequest) -> ApiAnswer:
    """`bot<token>/<method>` and `file/bot<token>/<path>`."""
    method = request.path.rpartition("/")[2]
    if request.path.startswith("file/"):
        return ApiAnswer(_content(method), content_type="application/octet-stream")
    match method:
        case "getFile":
            path = f"documents/{request.query.get('file_id', '')}"
            return ApiAnswer({"ok": True, "result": {"file_id": request.query.get("file_id"), "file_path": path}})
        case "getMe":
            return ApiAnswer({"ok": True, "result": {"id": 1, "is_bot": True, "username": "omi_inbox_local_bot"}})
        case "setWebhook" | "setMyCommands":
            return ApiAnswer({"ok": True, "result": True})
        case _:
            return ApiAnswer({"ok": False, "error_code": 404, "description": "Not Found"}, 404)


def _content(file_id: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(file_id.removeprefix(_PREFIX) + "==")
    except (binascii.Error, ValueError):
        return b""
