"""A pytest fixture for other Omi apps: `omi_sandbox`, Omi in a thread of the test process, empty for each test.

    def test_my_app(omi_sandbox):
        omi_sandbox.enable("u1")
        my_app.run(base_url=omi_sandbox.url, app_id=omi_sandbox.app_id, api_key=omi_sandbox.api_key)
        assert omi_sandbox.texts("u1") == ["Me: Hello"]

Needs Flask alone; control goes over HTTP, as from any other process.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from werkzeug.serving import make_server

from integration_app.sandbox.app import create_app
from integration_app.sandbox.server import Handler

APP_ID, API_KEY = "app_under_test", "sk_of_the_sandbox"
_SECONDS = 10


class OmiSandbox:
    """`url` to give to the app under test, with `app_id` and `api_key`."""

    def __init__(self, url: str) -> None:
        self.url, self.app_id, self.api_key = url, APP_ID, API_KEY

    def enable(self, *uids: str) -> None:
        """These users have the app, as if they had enabled it in Omi."""
        for uid in uids:
            self._ask("POST", f"/users/{uid}/enable")

    def disable(self, uid: str) -> None:
        self._ask("POST", f"/users/{uid}/disable")

    def fault(self, fault: str, route: str = "*", *, times: int | None = 1, **more: Any) -> None:
        """The next `times` calls of this route fail so; the names stand in docs/sandbox.md."""
        self._ask("POST", "/faults", {"fault": fault, "route": route, "times": times, **more})

    def advance(self, seconds: float) -> None:
        """Move Omi's clock on: windows of rate limits end."""
        self._ask("POST", "/clock", {"advance": seconds})

    def lift_limits(self) -> None:
        self._ask("POST", "/boost", {"boost": 10_000})

    def calls(self, **wanted: str) -> list[dict[str, Any]]:
        """The requests so far, by `route` and `uid` where given."""
        return list(self._ask("GET", f"/requests?{urlencode(wanted)}")["requests"])

    def user(self, uid: str) -> dict[str, Any]:
        """Everything that this user has in Omi."""
        return dict(self._ask("GET", f"/users/{uid}"))

    def texts(self, uid: str) -> list[str]:
        """The texts of this user's conversations, oldest first."""
        rows = sorted(self.user(uid)["conversations"], key=lambda row: str(row["started_at"]))
        return [row["external_data"]["text"] for row in rows if row["external_data"]]

    def version(self, version: str) -> None:
        """Behave as Omi did then, where that differs: "2026-05", or "newest" as after each reset."""
        self._ask("POST", "/omi", {"version": version})

    def reset(self) -> None:
        self._ask("POST", "/reset")
        self.version("newest")
        self._ask("POST", "/boost", {"boost": 1})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else b""
        request = Request(  # noqa: S310 - our own server
            f"{self.url}/_sandbox{path}",
            data=None if method == "GET" else data,
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)


@pytest.fixture(scope="session")
def omi_sandbox_server() -> Iterator[OmiSandbox]:
    """The server of a whole run; `omi_sandbox` empties it for each test."""
    server = make_server("127.0.0.1", 0, create_app(APP_ID, API_KEY), threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield OmiSandbox(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def omi_sandbox(omi_sandbox_server: OmiSandbox) -> OmiSandbox:
    """An empty Omi."""
    omi_sandbox_server.reset()
    return omi_sandbox_server
