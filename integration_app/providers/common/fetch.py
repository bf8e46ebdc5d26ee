"""Fetching what a vendor keeps: bounded in size, in time, and in where it may lead."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from integration_app.errors import NotYet, VendorError

BYTES_MAX = 25_000_000
_TIMEOUT = (5.0, 10.0)
_SECONDS = 20.0
_CHUNK = 65_536
_LATER = 15.0
_REDIRECTS_MAX = 3
_IS_ADDRESS = re.compile(r"[0-9.]+|.*:.*|.*\.(local|internal|localhost)")


def fetch(
    url: str,
    *,
    base_url: str,
    hosts: tuple[str, ...] = (),
    auth: tuple[str, str] | None = None,
    bearer: str | None = None,
) -> bytes:
    """The bytes behind `url`, which has to lie at the host of `base_url`, or by HTTPS below one of `hosts`; credentials
    go there alone, and what it redirects to gets none.

    Raises `NotYet` while the vendor is away, or has it not yet (a 404 in the first seconds is usual); else
    `VendorError`.
    """
    base = urlsplit(base_url)
    scheme, host, port = _place(url)
    below = any(f".{host}".endswith(f".{ending}") for ending in hosts)
    if (scheme, host, port) != _place(base_url) and not (below and scheme == "https" and port in (None, 443)):
        raise VendorError("it lies at an address that is not the vendor's")
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    ends = time.monotonic() + _SECONDS
    try:
        for _ in range(_REDIRECTS_MAX + 1):
            with requests.get(
                url, auth=auth, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code in (301, 302, 303, 307, 308):
                    url, auth, headers = _joined(url, answer.headers.get("Location", "")), None, {}
                    scheme, host, _ = _place(url)
                    is_public = scheme == "https" and "." in host and not _IS_ADDRESS.fullmatch(host)
                    if not is_public and urlsplit(url).netloc != base.netloc:
                        raise VendorError("the vendor leads to an address that cannot be trusted")
                    continue
                return _read(answer, ends)
    except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
        raise NotYet(_LATER, f"the vendor does not answer ({type(error).__name__})") from None
    raise VendorError("the vendor leads round in circles")


def fetch_json(
    url: str, *, base_url: str, auth: tuple[str, str] | None = None, bearer: str | None = None
) -> dict[str, Any]:
    """The object that the vendor's API answers. Raises as `fetch`; `NotYet` for what is no JSON."""
    try:
        found = json.loads(fetch(url, base_url=base_url, auth=auth, bearer=bearer))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NotYet(_LATER, "the vendor answers with something that is not JSON")
    return found


def _place(url: str) -> tuple[str, str, int | None]:
    """Scheme, host, port. Raises `VendorError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise VendorError("it lies at an address that is none") from None
    return parts.scheme, parts.hostname or "", port


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise VendorError("the vendor leads to an address that is none") from None


def _read(answer: requests.Response, ends: float) -> bytes:
    status = answer.status_code
    if status in (401, 403, 404, 408, 409, 429) or status >= 500:
        raise NotYet(_LATER, f"the vendor answers {status}")
    if status != 200:
        raise VendorError(f"the vendor answers {status}")
    try:
        read = body_of(answer, BYTES_MAX, ends)
    except TimeoutError:
        raise NotYet(_LATER, "the vendor is too slow") from None
    if len(read) > BYTES_MAX:
        raise VendorError("it is too large to be read")
    return read


def body_of(answer: requests.Response, most: int, ends: float) -> bytes:
    """The body of a streamed answer; of a larger one a little more than `most` bytes. Raises `TimeoutError` at the
    monotonic time `ends`.
    """
    read = bytearray()
    # read1 returns what is there; waiting for a full block would let a dripping answer outlast the deadline
    while len(read) <= most and (chunk := answer.raw.read1(_CHUNK, decode_content=True)):
        read += chunk
        if time.monotonic() > ends:
            raise TimeoutError
    return bytes(read)
