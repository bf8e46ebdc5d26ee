"""Twilio's request signature. Pure: the public URL, the parameters, a token.

https://www.twilio.com/docs/usage/security#validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlsplit, urlunsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


def sign(token: str, url: str, params: Iterable[tuple[str, str]]) -> str:
    """Base64 of HMAC-SHA1 over the URL followed by every name and value.

    Names sorted by byte; a name that occurs several times contributes its distinct values, sorted.
    """
    return _mac(token, url + _joined(params))


def _joined(params: Iterable[tuple[str, str]]) -> str:
    distinct: dict[str, set[str]] = {}
    for name, value in params:
        distinct.setdefault(name, set()).add(value)
    return "".join(name + value for name in sorted(distinct) for value in sorted(distinct[name]))


def _mac(token: str, signed: str) -> str:
    return base64.b64encode(hmac.digest(token.encode(), signed.encode("utf-8", "surrogatepass"), "sha1")).decode()


def is_genuine(signature: str, tokens: Sequence[str], url: str, params: Iterable[tuple[str, str]], body: bytes) -> bool:
    """Whether one of `tokens` made `signature`. Every combination is tried, so that the time tells nothing.

    Twilio signs with or without a default port. A JSON body is not signed itself: its digest stands in the query.
    """
    given = signature.strip().encode("ascii", "replace")
    body_digest = dict(parse_qsl(urlsplit(url).query)).get("bodySHA256") if "bodySHA256" in url else None
    fields = "" if body_digest else _joined(params)
    genuine = False
    for token in tokens:
        for candidate in _spellings(url):
            expected = _mac(token, candidate + fields).encode()
            genuine |= hmac.compare_digest(expected, given)
    if body_digest:
        actual = hashlib.sha256(body).hexdigest().encode()
        genuine &= hmac.compare_digest(actual, body_digest.lower().encode("ascii", "replace"))
    return genuine


def _spellings(url: str) -> list[str]:
    """`url` with its port spelled out and left out."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        return [url]
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    with_port = f"{host}:{port or _DEFAULT_PORTS.get(parts.scheme, 443)}"
    # The path and the query stay exactly as they were sent, a bare "?" too.
    rest = url[len(urlunsplit((parts.scheme, parts.netloc, "", "", ""))) :]
    return [f"{parts.scheme}://{host}{rest}", f"{parts.scheme}://{with_port}{rest}"]
