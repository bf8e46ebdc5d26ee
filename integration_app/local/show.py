"""The page that shows everything at work: a phone that texts and mails, the road of each message, and what is in Omi.

Runs in the process of `omi-inbox dev`, on loopback, beside the stack; each message is signed and goes through the real
door, as the vendor would send it.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, abort, redirect, render_template, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response as AnyResponse

from integration_app.bootstrap import Services
from integration_app.local.stack import Stack
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from integration_app.text.clean import one_line

SHOWN = 8
LONGEST = 2_000
_SAID_SECONDS = 15.0
_HERE = Path(__file__).parent
_FAULTS = {
    "limit": {"fault": "rate_limited", "route": "*", "times": 1, "retry_after": 20},
    "away": {"fault": "unavailable", "route": "*", "times": 2},
}
"""What the buttons do to the sandbox."""


class Show:
    """`start()` serves it until the process ends."""

    def __init__(self, stack: Stack, services: Services, uid: str, phone: str, port: int = 0) -> None:
        self._stack = stack
        self._services = services
        self._uid = uid
        self._phone = phone
        self._said, self._said_until = "", 0.0
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", port, self._application(), threaded=True, request_handler=_Quiet
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="show", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _application(self) -> Flask:
        static = _HERE.parent / "web" / "static"
        app = Flask(__name__, static_folder=str(static), template_folder=str(_HERE / "templates"))
        app.before_request(_only_from_here)
        app.add_url_rule("/", "look", self.look)
        app.add_url_rule("/do", "do", self.do, methods=["POST"])
        return app

    def look(self) -> Response:
        page = render_template(
            "show.html",
            uid=self._uid,
            phone=self._phone,
            number=self._services.settings.inbox_phone,
            address=self._address(),
            said=self._said if time.monotonic() < self._said_until else "",
            road=[self._road(row) for row in self._services.timeline.latest(limit=SHOWN, uid=self._uid)],
            omi=self._omi(),
            web_url=self._stack.web_url,
            sandbox_url=self._stack.sandbox_url,
        )
        return Response(page, headers={"Cache-Control": "no-store"})

    def do(self) -> AnyResponse:
        what = request.form.get("what", "")
        if what in _FAULTS:
            self._sandbox("POST", "faults", json=_FAULTS[what])
            self._said = "The next calls to Omi will not work. Send something, and watch it wait."
        elif what == "mend":
            self._sandbox("DELETE", "faults")
            self._services.resume(self._uid)
            self._said = "Omi answers again."
        else:
            self._said = self._send(what == "mail", request.form.get("words", "").strip()[:LONGEST])
        self._said_until = time.monotonic() + _SAID_SECONDS
        return redirect("/", 303)

    def _address(self) -> str:
        """As it is now: the user may have made a new one."""
        installation = self._services.installations.get(self._uid)
        return (self._services.settings.inbox_address(installation.inbox_token) or "") if installation else ""

    def _send(self, is_mail: bool, words: str) -> str:
        """Sign it as the vendor would, and give it to the door; what the door said."""
        if not words:
            return "Write something first."
        channel = "email" if is_mail else "sms"
        spec = registry.for_channel(channel)
        assert spec.sender is not None  # noqa: S101 - each channel has a vendor that can be played
        message = SampleMessage(
            sender="ana@example.com" if is_mail else self._phone,
            to=self._address() if is_mail else "",
            text=words,
            subject=one_line(words, 60) if is_mail else None,
            channel=channel,
        )
        base = self._stack.env["PUBLIC_BASE_URL"]
        made = spec.sender(self._stack.env).build_request(message, base, self._services.clock())
        answer = requests.request(
            made.method, base + made.path, data=made.body, headers=dict(made.headers), timeout=15, allow_redirects=False
        )
        outcome = answer.headers.get("X-Outcome", answer.reason)
        if outcome == "unknown recipient":
            return f"{self._uid} is not set up any more: restart omi-inbox dev."
        return f"The webhook of {spec.name} was answered {answer.status_code}: {outcome}"

    def _road(self, row: dict[str, Any]) -> dict[str, Any]:
        mine = next((to for to in row["recipients"] if to["uid"] == self._uid), {"state": row["state"]})
        story = self._services.timeline.show(row["id"]) or {"events": []}
        ended = [event for event in story["events"] if event["event"] == "done"]
        took = ""
        if ended:
            seconds = datetime.fromisoformat(ended[-1]["at"]) - datetime.fromisoformat(row["received_at"])
            took = f"{seconds.total_seconds():.1f} s"
        return row | {"mine": mine, "took": took, "tries": sum(event["event"] == "begun" for event in story["events"])}

    def _omi(self) -> list[dict[str, Any]]:
        user = self._sandbox("GET", f"users/{self._uid}").json()
        said = [
            {
                "kind": "conversation",
                "title": row["structured"]["title"],
                "text": row["external_data"]["text"],
                "at": row["created_at"],
            }
            for row in user["conversations"]
        ]
        said += [
            {"kind": "memory", "title": row["content"], "text": "", "at": row["created_at"]} for row in user["memories"]
        ]
        return sorted(said, key=lambda row: str(row["at"]), reverse=True)[:SHOWN]

    def _sandbox(self, method: str, path: str, **more: Any) -> requests.Response:
        return requests.request(method, f"{self._stack.sandbox_url}/_sandbox/{path}", timeout=5, **more)


def _only_from_here() -> None:
    """No page of elsewhere acts on this one: neither by another name for this machine, nor across sites."""
    origin = request.headers.get("Origin")
    if urlsplit(f"//{request.host}").hostname not in ("127.0.0.1", "localhost"):
        abort(403)
    if request.method == "POST" and (origin is None or urlsplit(origin).netloc != request.host):
        abort(403)


class _Quiet(WSGIRequestHandler):
    """No line for each request: the terminal belongs to the person."""

    def log_request(self, *_: object) -> None:
        return
