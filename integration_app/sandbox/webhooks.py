"""What Omi sends to apps: created conversations, chat tools, the check of a set-up. Signed where a secret is set.

X-Omi-Signature: t=<unix>,v1=<hex>: HMAC-SHA256 over "<t>.<uid>." and the raw body; chat tools: v2, over eight parts.
No redirects. A real Omi refuses private addresses; this one is for your own machine, and does not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from integration_app.sandbox.answers import plain
from integration_app.sandbox.state import App, State

_SECONDS = 5.0
_ANSWER_MAX = 1_000_000
_DELIVERIES_KEPT = 200


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_open = build_opener(_NoRedirects).open


def memory_created(state: State, uid: str, conversation: dict[str, Any]) -> None:
    """Tell every enabled app that has a webhook; what it answers is kept for the inspector."""
    body = json.dumps(plain(conversation), ensure_ascii=False).encode()
    for app in state.enabled_apps(uid):
        if app.webhook_url:
            url = _with_query(app.webhook_url, uid=uid)
            headers = {"X-Omi-Event": "memory_created", "X-Omi-Delivery": uuid.uuid4().hex}
            if app.webhook_secret:
                stamp = int(state.clock())
                headers["X-Omi-Signature"] = f"t={stamp},v1={sign_v1(app.webhook_secret, stamp, uid, body)}"
            status, answer = call("POST", url, body, headers)
            _note(state, app, "memory_created", uid, status, answer)


def call_tool(state: State, app: App, uid: str, tool: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a chat tool as Omi does, and read its answer as Omi does: `result`, else `message`, else the body."""
    method = str(tool.get("method", "POST")).upper()
    url = urljoin(app.home_url or app.tools_url or "", str(tool.get("endpoint", "")))
    values = {"uid": uid, "app_id": app.id, "tool_name": tool.get("name")} | arguments
    body = b"" if method == "GET" else json.dumps(values).encode()
    if method == "GET":
        url = _with_query(url, **{name: str(value) for name, value in values.items()})
    delivery = uuid.uuid4().hex
    headers = {"X-Omi-Event": "chat_tool", "X-Omi-Delivery": delivery}
    if app.webhook_secret:
        stamp = int(state.clock())
        headers["X-Omi-Signature"] = f"t={stamp},v2={sign_v2(app.webhook_secret, stamp, delivery, method, url, body)}"
    status, answer = call(method, url, body, headers)
    _note(state, app, f"chat_tool {tool.get('name')}", uid, status, answer)
    return {"status": status, "said": _said(answer)}


def setup_is_completed(app: App, uid: str) -> bool:
    """Omi asks this before it enables an app, if the app has such a URL."""
    if not app.setup_completed_url:
        return True
    status, answer = call("GET", _with_query(app.setup_completed_url, uid=uid), b"", {})
    try:
        return status == 200 and json.loads(answer or "null").get("is_setup_completed") is True
    except (ValueError, AttributeError):
        return False


def fetch_tools(url: str) -> list[dict[str, Any]]:
    """The chat tools of a manifest; none where it cannot be read."""
    status, answer = call("GET", url, b"", {})
    try:
        tools = json.loads(answer or "null").get("tools") if status == 200 else None
    except (ValueError, AttributeError):
        return []
    return [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []


def sign_v1(secret: str, stamp: int, uid: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{stamp}.{uid}.".encode() + body, hashlib.sha256).hexdigest()


def sign_v2(secret: str, stamp: int, delivery: str, method: str, url: str, body: bytes) -> str:
    parts = urlsplit(url)
    # Omi's rule: segments and names percent-encoded anew, unreserved signs bare; pairs sorted by name alone, stably
    path = "/".join(_encoded(unquote(segment)) for segment in (parts.path or "/").split("/"))
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    pairs.sort(key=lambda pair: pair[0])
    query = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)
    lines = ("v2", str(stamp), delivery, "chat_tool", method, path, query)
    return hmac.new(secret.encode(), "".join(f"{line}\n" for line in lines).encode() + body, hashlib.sha256).hexdigest()


def _encoded(text: str) -> str:
    unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(sign if sign in unreserved else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in text)


def call(method: str, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str]:
    """Status and text of an answer; None without one."""
    if urlsplit(url).scheme not in ("http", "https"):
        return None, ""
    sent = headers | ({"Content-Type": "application/json"} if body else {})
    request = Request(url, data=body or None, headers=sent, method=method)  # noqa: S310 - http(s) only, see above
    try:
        with _open(request, timeout=_SECONDS) as answer:
            return int(answer.status), answer.read(_ANSWER_MAX).decode("utf-8", "replace")
    except HTTPError as error:
        return error.code, error.read(_ANSWER_MAX).decode("utf-8", "replace")
    except (URLError, OSError, ValueError):
        return None, ""


def _said(answer: str) -> str:
    try:
        loaded = json.loads(answer)
    except ValueError:
        return answer
    if isinstance(loaded, dict):
        return str(loaded.get("result") or loaded.get("message") or answer)
    return answer


def _with_query(url: str, **more: str) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(more)}"


def _note(state: State, app: App, event: str, uid: str, status: int | None, answer: str) -> None:
    with state.lock:
        app.deliveries.append(
            {"at": state.now(), "event": event, "uid": uid, "status": status, "answer": _said(answer)[:300]}
        )
        del app.deliveries[:-_DELIVERIES_KEPT]
