"""A browser of a test's, in the same process: follows our forms, with cookies as over HTTPS."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

BASE = "https://inbox.example.com"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    def __init__(self, app: Flask, address: str = "192.0.2.1") -> None:
        self.client: FlaskClient = app.test_client()
        self._how: dict[str, Any] = {"base_url": BASE, "environ_base": {"REMOTE_ADDR": address}}
        self.page = ""

    def get(self, path: str, **more: Any) -> TestResponse:
        return self._seen(self.client.get(path, headers={"Accept": "text/html"}, **self._how, **more))

    def post(self, path: str, *, token: str | None = None, follow: bool = True, **fields: Any) -> TestResponse:
        """Send a form with the token of the page that is open, or with another."""
        if token is None:
            found = _TOKEN.search(self.page)
            token = unescape(found.group(1)) if found else ""
        data = fields | {"csrf_token": token}
        sent = self.client.post(path, data=data, headers={"Accept": "text/html"}, follow_redirects=follow, **self._how)
        return self._seen(sent)

    def _seen(self, answer: TestResponse) -> TestResponse:
        if answer.mimetype == "text/html" and answer.text:
            self.page = answer.text
        return answer
