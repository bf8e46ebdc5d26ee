"""A user of the pages without a browser: follows the forms as one would, for the demo and for tests."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import requests

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_CODE = re.compile(r"\b\d{6}\b")
_LINK = re.compile(r"LINK-[A-Z0-9]{6}")
_SECONDS = 10


class Visitor:
    def __init__(self, web_url: str, sandbox_url: str) -> None:
        self._web = web_url
        self._sandbox = sandbox_url
        self._session = requests.Session()
        self._session.trust_env = False
        self.page = ""

    def get(self, url: str) -> requests.Response:
        return self._seen(self._session.get(self._absolute(url), timeout=_SECONDS))

    def post(self, path: str, **fields: str) -> requests.Response:
        """Send a form of the page that is open."""
        token = _TOKEN.search(self.page)
        if token is None:
            raise ValueError(f"no form on this page: {self.page[:80]!r}")
        fields |= {"csrf_token": unescape(token.group(1))}
        return self._seen(self._session.post(self._absolute(path), data=fields, timeout=_SECONDS))

    def open_in_omi(self, uid: str, app_id: str) -> requests.Response:
        """Open the app's page as Omi's web view does."""
        return self.get(f"{self._sandbox}/_sandbox/apps/{app_id}/open?uid={uid}")

    def prove(self, uid: str, app_id: str) -> None:
        """Open the page in Omi, have a code sent, read it in Omi's notifications, type it in."""
        self.open_in_omi(uid, app_id)
        self.post("/setup/code", uid=uid)
        self.post("/setup/verify", uid=uid, code=self.code(uid))

    def code(self, uid: str) -> str:
        """The code in the newest notification that Omi shows this user."""
        answer = requests.get(f"{self._sandbox}/_sandbox/notifications", {"uid": uid}, timeout=_SECONDS)
        shown: list[dict[str, Any]] = answer.json().get("notifications", []) if answer.ok else []
        codes = [found.group() for row in shown if (found := _CODE.search(str(row["message"])))]
        if not codes:
            raise ValueError(f"Omi shows {uid} no code")
        return codes[-1]

    def link_code(self) -> str:
        """What to text to link a phone."""
        self.post("/me/link-code")
        found = _LINK.search(self.page)
        if found is None:
            raise ValueError("the page shows no code to text")
        return found.group()

    def _absolute(self, path: str) -> str:
        return path if path.startswith("http") else self._web + path

    def _seen(self, answer: requests.Response) -> requests.Response:
        self.page = answer.text
        return answer
