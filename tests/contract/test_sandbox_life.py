"""The sandbox beyond the two APIs: apps, webhooks, chat tools, the published mode, the file, the OpenAPI document."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from integration_app.sandbox.app import create_app
from integration_app.sandbox.openapi import build

KEY = {"Authorization": "Bearer sk_1"}


class Receiver:
    """An app's own server: answers set-up checks and tools, remembers what Omi sent."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.completed = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                receiver.got.append((self.command, self.path, dict(self.headers), body))
                answer: Any = {"result": "two waiting"}
                if self.path.startswith("/done"):
                    answer = {"is_setup_completed": receiver.completed}
                elif self.path.startswith("/tools.json"):
                    answer = {
                        "tools": [{"name": "inbox_status", "description": "d", "endpoint": "/tool", "method": "POST"}]
                    }
                elif self.path.startswith("/hook"):
                    answer = {"message": "thanks"}
                raw = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _answer  # noqa: N815 - named by the base class

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def omi() -> FlaskClient:
    return create_app("app", "sk_1").test_client()


def an_app(omi: FlaskClient, receiver: Receiver) -> dict[str, Any]:
    answer = omi.post(
        "/_sandbox/apps",
        json={
            "id": "mine",
            "name": "Mine",
            "actions": ["create_conversation"],
            "webhook_url": f"{receiver.url}/hook",
            "setup_completed_url": f"{receiver.url}/done",
            "auth_url": f"{receiver.url}/setup?lang=en",
            "chat_tools_manifest_url": f"{receiver.url}/tools.json",
        },
    )
    assert answer.status_code == 201
    found: dict[str, Any] = answer.get_json()
    return found


def test_an_app_is_made_opened_checked_enabled_and_called(omi: FlaskClient, receiver: Receiver) -> None:
    made = an_app(omi, receiver)
    assert [tool["name"] for tool in made["tools"]] == ["inbox_status"]
    opened = omi.get("/_sandbox/apps/mine/open?uid=u")
    assert opened.headers["Location"] == f"{receiver.url}/setup?lang=en&uid=u"
    refused = omi.post("/_sandbox/apps/mine/enable?uid=u")
    assert (refused.status_code, refused.get_json()) == (400, {"detail": "App setup is not completed"})
    receiver.completed = True
    assert omi.post("/_sandbox/apps/mine/enable?uid=u").status_code == 200
    secret = omi.post("/_sandbox/apps/mine/webhook-secret").get_json()["secret"]
    key = {"Authorization": f"Bearer {made['api_key']}"}
    written = omi.post("/v2/integrations/mine/user/conversations?uid=u", json={"text": "Me: Hello"}, headers=key)
    assert written.status_code == 200
    method, path, headers, body = receiver.got[-1]
    assert (method, path) == ("POST", "/hook?uid=u")
    assert json.loads(body)["external_data"]["text"] == "Me: Hello"
    stamp, signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["X-Omi-Signature"]).groups()  # type: ignore[union-attr]
    expected = hmac.new(secret.encode(), f"{stamp}.u.".encode() + body, hashlib.sha256).hexdigest()
    assert signature == expected
    said = omi.post("/_sandbox/apps/mine/tools/inbox_status?uid=u", json={"limit": 3}).get_json()
    assert said == {"status": 200, "said": "two waiting"}
    _, path, headers, body = receiver.got[-1]
    assert json.loads(body) == {"uid": "u", "app_id": "mine", "tool_name": "inbox_status", "limit": 3}
    stamp, signature = re.fullmatch(r"t=(\d+),v2=([0-9a-f]{64})", headers["X-Omi-Signature"]).groups()  # type: ignore[union-attr]
    lines = ("v2", stamp, headers["X-Omi-Delivery"], "chat_tool", "POST", "/tool", "")
    signed = "".join(f"{line}\n" for line in lines).encode() + body
    assert signature == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    omi.post("/_sandbox/apps/mine/disable?uid=u")
    answer = omi.post("/v2/integrations/mine/user/conversations?uid=u", json={"text": "x"}, headers=key)
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "App is not enabled for this user"})
    shown = omi.get("/").get_data(as_text=True)
    assert "memory_created" in shown
    assert "chat_tool inbox_status" in shown


def test_an_app_needs_a_trigger_or_an_action(omi: FlaskClient) -> None:
    assert omi.post("/_sandbox/apps", json={"name": "x"}).status_code == 422
    assert omi.post("/_sandbox/apps", json={"actions": ["everything"]}).status_code == 422
    assert omi.get("/_sandbox/apps/none/open?uid=u").status_code == 404
    assert omi.get("/_sandbox/apps").get_json()["apps"][0]["id"] == "app"


def test_the_buttons_of_the_inspector(omi: FlaskClient) -> None:
    omi.post("/_sandbox/do", data={"what": "enable", "uid": "u"})
    url = "/v2/integrations/app/user/conversations?uid=u"
    assert omi.post(url, json={"text": "x"}, headers=KEY).status_code == 200
    omi.post("/_sandbox/do", data={"what": "429", "uid": "u"})
    refused = omi.post(url, json={"text": "x"}, headers=KEY)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    omi.post("/_sandbox/clock", json={"advance": 61})
    assert omi.post(url, json={"text": "x"}, headers=KEY).status_code == 200
    shown = omi.post("/_sandbox/do", data={"what": "key", "uid": "u"}, follow_redirects=True).get_data(as_text=True)
    assert "omi_dev_" in shown
    omi.post("/_sandbox/do", data={"what": "disable", "uid": "u"})
    assert omi.post(url, json={"text": "x"}, headers=KEY).status_code == 403


def test_a_fault_can_be_taken_away_alone(omi: FlaskClient) -> None:
    numbers = [omi.post("/_sandbox/faults", json={"fault": "500", "times": None}).get_json()["id"] for _ in range(2)]
    assert omi.delete(f"/_sandbox/faults/{numbers[0]}").status_code == 200
    assert [row["id"] for row in omi.get("/_sandbox/faults").get_json()["faults"]] == [numbers[1]]
    assert omi.delete("/_sandbox/faults/999").status_code == 404


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    file = tmp_path / "omi.json"
    first = create_app("app", "sk_1", file=file).test_client()
    first.post("/_sandbox/users/u/enable")
    secret = first.post("/_sandbox/users/u/keys", json={}).get_json()["key"]
    first.post(
        "/v2/integrations/app/user/conversations?uid=u", json={"text": "Me: I will call Mara by Friday"}, headers=KEY
    )
    second = create_app("app", "sk_1", file=file).test_client()
    texts = [
        row["external_data"]["text"]
        for row in second.get("/v2/integrations/app/conversations?uid=u", headers=KEY).get_json()["conversations"]
    ]
    assert texts == ["Me: I will call Mara by Friday"]
    items = second.get("/v1/dev/user/action-items", headers={"Authorization": f"Bearer {secret}"}).get_json()
    assert items[0]["description"] == "Call Mara by Friday"


# --- as the published pages say ---------------------------------------------------------------------------------


@pytest.fixture
def published() -> FlaskClient:
    return create_app("app", "sk_1", strict_seed=True).test_client()


def dev_key(omi: FlaskClient) -> dict[str, str]:
    omi.post("/_sandbox/users/u/enable")
    return {"Authorization": f"Bearer {omi.post('/_sandbox/users/u/keys', json={}).get_json()['key']}"}


def test_published_limits_are_on_every_answer(published: FlaskClient) -> None:
    key = dev_key(published)
    answers = [published.get("/v1/dev/user/memories", headers=key) for _ in range(2)]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["99", "98"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"100"}
    assert 0 < int(answers[0].headers["X-RateLimit-Reset"]) - time.time() <= 60
    published.post("/_sandbox/boost", json={"boost": 100})
    statuses = [published.get("/v1/dev/user/memories", headers=key).status_code for _ in range(99)]
    assert statuses == [200] * 98 + [429]
    published.post("/_sandbox/clock", json={"advance": 61})
    assert published.get("/v1/dev/user/memories", headers=key).status_code == 200


def test_published_error_shape(published: FlaskClient) -> None:
    answer = published.get("/v1/dev/user/memories", headers={"Authorization": "Bearer omi_dev_wrong"})
    assert (answer.status_code, answer.get_json()) == (
        401,
        {"error": {"message": "Invalid API Key", "code": "invalid_api_key"}},
    )


def test_published_conversations_have_a_text_on_top(published: FlaskClient) -> None:
    published.post("/_sandbox/users/u/enable")
    published.post("/v2/integrations/app/user/conversations?uid=u", json={"text": "Hello"}, headers=KEY)
    (row,) = published.get("/v2/integrations/app/conversations?uid=u", headers=KEY).get_json()["conversations"]
    assert row["text"] == "Hello"
    assert "external_data" not in row


# --- OpenAPI ----------------------------------------------------------------------------------------------------


def test_the_document_names_every_route_and_no_other() -> None:
    app = create_app("app", "sk_1")
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/v1/", "/v2/"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    document = build()
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == routes
    assert app.test_client().get("/openapi.json").get_json() == document


def test_the_document_is_valid() -> None:
    from openapi_spec_validator import validate

    validate(build())


def test_it_starts_in_under_two_seconds(backing: Any, tmp_path: Path) -> None:
    """Not a limit on this machine's speed: it must not wait for anything."""
    import socket
    import subprocess
    import sys

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "integration_app.sandbox", "--port", str(port)], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                assert requests.get(f"http://127.0.0.1:{port}/openapi.json", timeout=1).ok
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        else:
            pytest.fail("it does not answer")
    finally:
        process.terminate()
        process.wait()
