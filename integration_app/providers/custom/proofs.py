"""How a request to a custom door proves itself: one function for each scheme. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from integration_app.errors import BadSignature
from integration_app.providers.base import WebhookRequest
from integration_app.providers.common import basic_auth
from integration_app.providers.common.jwt import claims_of, token_of
from integration_app.providers.common.proof import bearer, check_fresh, is_one_of
from integration_app.providers.custom.config import Proof
from integration_app.standard_webhooks import read_keys, sign, verify

Check = Callable[[WebhookRequest, Proof, Sequence[str]], None]


def check(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    """Raises `BadSignature`."""
    _CHECKS[proof.scheme](request, proof, secrets)


def _hmac(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    given = request.headers.get(proof.header.lower(), "").strip()
    stamp = request.headers.get(proof.time_header.lower(), "").strip() if proof.time_header else ""
    if proof.time_header:
        check_fresh(stamp, request.received_at, timedelta(seconds=proof.tolerance_seconds))
    if not given.startswith(proof.prefix) or not is_one_of(
        given.removeprefix(proof.prefix), [mac(proof, secret, request.body, stamp) for secret in secrets]
    ):
        raise BadSignature(f"{proof.header} is missing, or fits none of {proof.secrets}")


def mac(proof: Proof, secret: str, body: bytes, stamp: str) -> str:
    before, _, after = proof.signed.partition("{body}")
    signed = before.replace("{time}", stamp).encode() + body + after.replace("{time}", stamp).encode()
    digest = hmac.digest(secret.encode(), signed, "sha256")
    return digest.hex() if proof.encoding == "hex" else base64.b64encode(digest).decode()


def _standard_webhooks(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    verify(request.headers, request.body, read_keys(secrets), request.received_at)


def _jwt(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    claims = claims_of(bearer(request.headers.get("authorization", "")), secrets, request.received_at)
    issued = claims.get("iat")
    oldest = request.received_at.timestamp() - proof.tolerance_seconds
    if isinstance(issued, bool) or not isinstance(issued, int | float) or issued < oldest:
        raise BadSignature("the token was issued too long ago, or does not say when")
    digest = hashlib.sha256(request.body).hexdigest()
    if proof.body_claim and not is_one_of(str(claims.get(proof.body_claim, "")).lower(), [digest]):
        raise BadSignature(f"{proof.body_claim} of the token is not that of the body")


def _token_header(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    given = request.headers.get(proof.header.lower(), "").strip()
    if not given.startswith(proof.prefix) or not is_one_of(given.removeprefix(proof.prefix), secrets):
        raise BadSignature(f"{proof.header} is missing, or is none of {proof.secrets}")


def _basic(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    if not basic_auth.is_known(request.headers.get("authorization"), secrets):
        raise BadSignature("the Basic credentials are missing or wrong")


def _token_url(request: WebhookRequest, proof: Proof, secrets: Sequence[str]) -> None:
    given = [value for name, value in request.query_fields if name == proof.parameter]
    if len(given) != 1 or not is_one_of(given[0], secrets):
        raise BadSignature(f"{proof.parameter} in the address is missing, or is none of {proof.secrets}")


_CHECKS: Mapping[str, Check] = {
    "hmac": _hmac,
    "standard-webhooks": _standard_webhooks,
    "jwt-hs256": _jwt,
    "token-header": _token_header,
    "basic": _basic,
    "token-url": _token_url,
}


def headers_for(proof: Proof, secret: str, body: bytes, now: datetime, identifier: str) -> tuple[dict[str, str], str]:
    """The headers, and what is put behind the address, with which a vendor would send `body`."""
    stamp = str(int(now.timestamp()))
    match proof.scheme:
        case "hmac":
            times = {proof.time_header: stamp} if proof.time_header else {}
            return {proof.header: f"{proof.prefix}{mac(proof, secret, body, stamp)}"} | times, ""
        case "standard-webhooks":
            signature = sign(secret, identifier, int(stamp), body)
            return {"webhook-id": identifier, "webhook-timestamp": stamp, "webhook-signature": signature}, ""
        case "jwt-hs256":
            digest = hashlib.sha256(body).hexdigest()
            claims = {"iat": int(stamp), "jti": identifier, proof.body_claim or "payload_hash": digest}
            return {"Authorization": f"Bearer {token_of(claims, secret)}"}, ""
        case "token-header":
            return {proof.header: f"{proof.prefix}{secret}"}, ""
        case "basic":
            return {"Authorization": basic_auth.header(secret)}, ""
        case _:
            return {}, f"?{proof.parameter}={secret}"
