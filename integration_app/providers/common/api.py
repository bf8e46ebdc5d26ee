"""Asking a vendor's API: JSON in, JSON out, bounded in time and size, and nothing secret in what an error says."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from integration_app.errors import VendorError
from integration_app.providers.common.fetch import body_of

_TIMEOUT = (5.0, 10.0)
_SECONDS = 20.0
_BYTES_MAX = 1_000_000


def call(
    method: str, url: str, *, vendor: str, data: Mapping[str, Any] | None = None, bearer: str | None = None
) -> dict[str, Any]:
    """The object that is answered. Raises `VendorError`, with what the vendor says is wrong where it says so."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        with requests.request(
            method, url, json=data, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            body = body_of(answer, _BYTES_MAX, time.monotonic() + _SECONDS)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        raise VendorError(f"{vendor}'s API does not answer ({type(error).__name__})") from None
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if answer.status_code >= 300 or not isinstance(said, dict):
        raise VendorError(f"{vendor}'s API answers {answer.status_code}{_reason(said)}")
    return said


def _reason(said: Any) -> str:
    """The vendor's own sentence; several put it into an `error` object."""
    found = said.get("description") or said.get("message") or said.get("error") if isinstance(said, dict) else None
    found = found.get("message") if isinstance(found, dict) else found
    return f": {' '.join(found.split())[:200]}" if isinstance(found, str) else ""
