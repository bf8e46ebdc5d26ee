"""Plays the media part of the Graph API on this machine: a file's id is its content, so nothing has to be kept."""

from __future__ import annotations

import base64
import binascii

from integration_app.providers.base import ApiAnswer, ApiRequest


def media_id_of(content: str) -> str:
    return "local-" + base64.urlsafe_b64encode(content.encode()[:120]).decode().rstrip("=")


def stand_in(request: ApiRequest) -> ApiAnswer:
    """`<media id>` tells the address, `files/<media id>` is the file; both want the token."""
    if not request.headers.get("authorization", "").startswith("Bearer "):
        return ApiAnswer({"error": {"message": "Invalid OAuth access token", "code": 190}}, 401)
    identifier = request.path.rpartition("/")[2]
    if not request.path.startswith("files/"):
        url = f"{request.base_url}/files/{identifier}"
        return ApiAnswer({"messaging_product": "whatsapp", "id": identifier, "url": url, "file_size": 1})
    try:
        content = base64.urlsafe_b64decode(identifier.removeprefix("local-") + "==")
    except (binascii.Error, ValueError):
        return ApiAnswer({"error": {"message": "Unsupported get request", "code": 100}}, 400)
    return ApiAnswer(content, content_type="application/octet-stream")
