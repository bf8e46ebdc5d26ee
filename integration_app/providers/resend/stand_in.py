"""Plays Resend's receiving API on this machine: a mail's id is the mail, so nothing has to be kept."""

from __future__ import annotations

import base64
import binascii
import zlib

from integration_app.providers.base import ApiAnswer, ApiRequest


def email_id_of(mail: bytes) -> str:
    return "local-" + base64.urlsafe_b64encode(zlib.compress(mail, 9)).decode().rstrip("=")


def stand_in(request: ApiRequest) -> ApiAnswer:
    """`emails/receiving/<id>` tells where the raw mail is, `raw/<id>` is the mail."""
    identifier = request.path.rpartition("/")[2]
    if request.path.startswith("raw/"):
        try:
            mail = zlib.decompress(base64.urlsafe_b64decode(identifier.removeprefix("local-") + "=="))
        except (binascii.Error, ValueError, zlib.error):
            return ApiAnswer({"message": "Email not found", "name": "not_found"}, 404)
        return ApiAnswer(mail, content_type="message/rfc822")
    if not request.headers.get("authorization", "").startswith("Bearer re_"):
        return ApiAnswer({"message": "API key is invalid", "name": "validation_error"}, 401)
    raw = {"download_url": f"{request.base_url}/raw/{identifier}"}
    return ApiAnswer({"object": "email", "id": identifier, "raw": raw})
