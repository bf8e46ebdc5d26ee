"""What every page has: security headers, CSRF, throttling, who is signed in. Webhooks and health have none of it."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import Flask, Response, g, redirect, request, session, url_for
from flask_limiter import Limiter
from flask_wtf.csrf import CSRFError, CSRFProtect
from markupsafe import Markup
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from integration_app.bootstrap import Services
from integration_app.store import keys
from integration_app.store.auth.sessions import SESSION_TTL
from integration_app.store.installations import UID_PATTERN
from integration_app.web import callers

OPERATOR_IDLE, OPERATOR_LONGEST = timedelta(minutes=30), timedelta(hours=12)
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "X-Robots-Tag": "noindex, nofollow",
}


UPLOAD, FILE_MAX = "setup.change_import", 10_000_000
"""The one page that takes a file, and how large it may be."""

SHARE = "integration_app.web.me.send.share"
"""A phone's Share menu has no token; the page that it opens sends nothing by itself."""


def install(app: Flask, services: Services) -> Limiter:
    """Cookies, CSRF, headers. Returns the limiter that pages throttle with."""
    is_https = services.settings.public_base_url.startswith("https:")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-omi_inbox" if is_https else "omi_inbox",  # no other host can set it
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_TTL,
        SESSION_REFRESH_EACH_REQUEST=False,  # a live part that is being fetched must not write back an older cookie
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session; a page may lie open in a web view for days
        WTF_CSRF_SSL_STRICT=False,  # web views leave the Referer out; the token is the proof
    )
    if services.settings.trusted_proxies:
        count, networks = services.settings.trusted_proxies, services.settings.trusted_proxy_networks
        app.wsgi_app = _BehindProxies(app.wsgi_app, count, networks)  # type: ignore[method-assign]
    app.jinja_env.finalize = _writable
    _make_room_for_files(app, services)  # before the form, and its token, is read
    csrf = CSRFProtect(app)
    csrf.exempt(SHARE)
    for name in ("health", "operator_api"):
        if blueprint := app.blueprints.get(name):
            csrf.exempt(blueprint)

    @app.after_request
    def _secure(response: Response) -> Response:
        if getattr(g, "is_page", False):
            response.headers.update(_HEADERS)
            if is_https:
                response.headers["Strict-Transport-Security"] = "max-age=31536000"
            if not getattr(g, "is_public", False):
                response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(CSRFError)
    def _forged(_: CSRFError) -> AnyResponse:
        g.is_page = True
        if request.path.startswith("/operator"):
            return redirect("/operator/login", 303)
        uid = request.form.get("uid", "") if request.path.startswith("/setup") else ""
        return redirect(f"/setup?uid={uid}" if UID_PATTERN.fullmatch(uid) else "/", 303)

    def by_whom() -> str:
        return hmac.new(services.settings.secret_key[0].encode(), caller().encode(), hashlib.sha256).hexdigest()[:20]

    return Limiter(
        by_whom,  # logged and kept by the library, so no address
        app=app,
        storage_uri="redis://",  # the scheme alone: the connections are ours, with their time-outs and sentinels
        storage_options={
            "connection_pool": services.bytes_connection.connection_pool,  # type: ignore[dict-item]
            "key_prefix": keys.THROTTLE,
        },
        in_memory_fallback_enabled=True,  # a Redis that is away closes no page, and opens none to guessing
        swallow_errors=True,
        headers_enabled=False,
    )


class _BehindProxies:
    """Believes `X-Forwarded-For` from a proxy. One has an address of a private network or of this host, or one of
    `networks`: a caller that comes from the internet itself came past it, and may say of itself what it likes.
    """

    def __init__(self, app: Any, count: int, networks: Sequence[str]) -> None:
        self._direct, self._proxied = app, ProxyFix(app, x_for=count)
        self._networks = [ipaddress.ip_network(name, strict=False) for name in networks]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        peer = str(environ.get("REMOTE_ADDR") or "")
        address = callers.read(peer)
        is_direct = callers.is_public(peer) and not any(address in network for network in self._networks)
        return (self._direct if is_direct else self._proxied)(environ, start_response)


def operator_of_proxy(services: Services) -> str | None:
    """Whom an authenticating proxy has signed in; it has a private address, as every proxy in front of us."""
    header = services.settings.operator_proxy_header
    before = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR") or request.remote_addr or ""
    named = request.headers.get(header, "").strip()[:80] if header else ""
    return named if named and callers.is_near(before) else None


def by_network() -> str:
    return callers.network(request.remote_addr or "")


def caller() -> str:
    """The address that is throttled."""
    return callers.share(request.remote_addr or "")


def _writable(value: Any) -> Any:
    """Half of a surrogate pair cannot be encoded; a message may hold one."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.encode("utf-8", "replace").decode()
    return value


def _make_room_for_files(app: Flask, services: Services) -> None:
    @app.before_request
    def _room_for_a_file() -> None:
        """A stranger has none."""
        if request.endpoint == UPLOAD and signed_in(services):
            request.max_content_length = FILE_MAX + 100_000


def page(*, public: bool = False) -> Callable[[Any], Any]:
    """A page of ours: security headers, and no caching unless it is the same for everybody."""

    def mark(view: Any) -> Any:
        @wraps(view)
        def marked(*args: Any, **kwargs: Any) -> Any:
            g.is_page, g.is_public = True, public
            return view(*args, **kwargs)

        return marked

    return mark


def signed_in(services: Services) -> str | None:
    """The uid whose session this cookie holds; asked of the store, so that a session can be ended from elsewhere."""
    uid, key = session.get("uid"), session.get("key")
    if (
        not isinstance(uid, str)
        or not isinstance(key, str)
        or not services.auth.sessions.has(uid, key, now=services.clock())
    ):
        return None
    return str(uid)


def begin(services: Services, uid: str) -> None:
    """A new session for a uid that has proved itself; whatever the cookie held before is gone."""
    end_here()
    session.permanent = True
    session["uid"] = uid
    session["key"] = services.auth.sessions.begin(uid, device(), now=services.clock())


def end_here() -> None:
    """Take a user's part out of the cookie; an operator's stays."""
    for name in ("uid", "key", "link", "problem", "done", "asking", "csrf_token"):
        session.pop(name, None)


def asking() -> str:
    """Identifies the browser that asked for a code: requests and guesses of other browsers do not touch it."""
    if "asking" not in session:
        session["asking"] = secrets.token_hex(16)
    return str(session["asking"])


def device() -> str:
    """What a list of sessions calls this browser."""
    agent = request.headers.get("User-Agent", "")
    system = next(
        (name for name in ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux") if name in agent), "?"
    )
    return "Mac" if system == "Macintosh" else system


def to_start() -> AnyResponse:
    return redirect(url_for("setup.home"), 303)
