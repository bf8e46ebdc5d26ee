"""Settings that are allowed and dangerous: each with what to do. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from werkzeug.security import check_password_hash

from integration_app.settings import LOCAL_OPERATOR_PASSWORD, Settings

_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_PLACEHOLDER = re.compile(
    r"change.?me|(?:^|\.)example\.(?:com|org|net)$|\byour[-_ ]|<[^>]+>|placeholder", re.IGNORECASE
)
_KNOWN_PASSWORDS = frozenset(("password", "secret", "omi-inbox", "correct-horse", "battery-staple"))
_PROCESSES = (
    "PORT", "WEB_HOST", "WEB_CONCURRENCY", "WEB_THREADS", "WEB_WORKER_CLASS", "WORKER_SLOTS", "WORKER_CLASS",
    "WORKER_GRACE_SECONDS", "DRAIN_SECONDS", "SANDBOX_PORT", "SANDBOX_APP_ID", "SANDBOX_API_KEY",
)  # fmt: skip
_CODES_MAX = 20
_SECRET_KEY_MIN = 24


@dataclass(frozen=True, slots=True)
class Danger:
    """`warns`: it may be meant."""

    name: str
    what: str
    warns: bool = False


def of(settings: Settings, env: Mapping[str, str], known: Iterable[str], secrets: Iterable[str]) -> Iterator[Danger]:
    """`env`: the environment; `known`: every setting's name; `secrets`: the names of those that hold secrets."""
    yield from _addresses(settings)
    yield from _redis(settings)
    yield from _secrets(settings, env, secrets)
    yield from _operator(settings)
    names = (*known, *_PROCESSES)
    for name in names:
        value = env.get(name) or ""
        host = urlsplit(value).hostname or ""
        if name != "PUBLIC_BASE_URL" and value.startswith("http:") and host not in _LOOPBACK:
            said = "is http: keys and people's words go in clear → use https, or keep it in a private network"
            yield Danger(name, said, warns="." not in host or host.endswith((".internal", ".local", ".svc")))
    yield from _misspelt(env, names)
    if settings.log_level == "debug":
        yield Danger("LOG_LEVEL", "is debug: libraries say more than you want to keep → set info", warns=True)
    away = urlsplit(settings.public_base_url).hostname not in _LOOPBACK
    if away and settings.login_codes_per_hour > _CODES_MAX:
        said = f"is {settings.login_codes_per_hour}: so many guesses an hour → {_CODES_MAX} or fewer"
        yield Danger("LOGIN_CODES_PER_HOUR", said)


def _addresses(settings: Settings) -> Iterator[Danger]:
    public = urlsplit(settings.public_base_url)
    away = public.hostname not in _LOOPBACK
    if public.scheme == "http" and away:
        yield Danger("PUBLIC_BASE_URL", "is http: codes, cookies and messages go in clear → use https")
    if public.scheme == "https" and settings.trusted_proxies == 0:
        yield Danger(
            "TRUSTED_PROXIES", "is 0 behind https: every caller has the proxy's address, and one locks out all → set 1"
        )
    if settings.trusted_proxies and not away:
        yield Danger("TRUSTED_PROXIES", "believes X-Forwarded-For without a proxy in front → set 0", warns=True)
    if _PLACEHOLDER.search(settings.inbox_domain or "") and away:
        yield Danger("INBOX_DOMAIN", "is a placeholder → the domain whose MX points to your provider")
    if _PLACEHOLDER.search(public.hostname or ""):
        yield Danger("PUBLIC_BASE_URL", "is a placeholder → the address at which providers reach this deployment")


def _redis(settings: Settings) -> Iterator[Danger]:
    for url in settings.redis_urls:
        yield from _redis_at(url, "REDIS_URLS" if len(settings.redis_urls) > 1 else "REDIS_URL")


def _redis_at(url: str, name: str) -> Iterator[Danger]:
    parts = urlsplit(url)
    if parts.scheme == "unix" or parts.hostname in _LOOPBACK or parts.hostname is None:
        return
    if not parts.password:
        yield Danger(name, "has no password: its port opens everything → requirepass, or an ACL user")
    if parts.scheme == "redis":
        said = "is not encrypted: fine in a private network, else → rediss://"
        yield Danger(name, said, warns=True)


def _secrets(settings: Settings, env: Mapping[str, str], names: Iterable[str]) -> Iterator[Danger]:
    names = tuple(names)
    well_known = _KNOWN_PASSWORDS | {name.partition("_")[0].lower() for name in names}
    for name in ("SECRET_KEY", "OPERATOR_API_TOKEN", *names):
        for value in filter(None, (part.strip() for part in (env.get(name) or "").split(","))):
            secret = value.partition(":")[2] or value
            if _PLACEHOLDER.search(value) or secret.lower() in well_known:
                yield Danger(name, "is a placeholder or a well-known word → openssl rand -hex 24")
            elif len(set(secret)) < 6:
                yield Danger(name, "has hardly any different characters → openssl rand -hex 24")
    if any(len(key) < _SECRET_KEY_MIN for key in settings.secret_key):
        yield Danger("SECRET_KEY", "is short → openssl rand -hex 32", warns=True)


def _operator(settings: Settings) -> Iterator[Danger]:
    stored = settings.operator_password_hash
    away = urlsplit(settings.public_base_url).hostname not in _LOOPBACK
    if stored and away and check_password_hash(stored, LOCAL_OPERATOR_PASSWORD):
        yield Danger("OPERATOR_PASSWORD_HASH", "is of the password of `make dev` → omi-inbox operator-password")
    method, _, rounds = (stored or "").partition("$")[0].rpartition(":")
    if away and method.startswith("pbkdf2") and rounds.isdigit() and int(rounds) < 600_000:
        yield Danger("OPERATOR_PASSWORD_HASH", f"has {rounds} rounds only → omi-inbox operator-password")


def _misspelt(env: Mapping[str, str], known: Iterable[str]) -> Iterator[Danger]:
    names = {*known, *(f"{name}_FILE" for name in known)}
    for name in sorted(set(env) - names):
        close = difflib.get_close_matches(name, names, 1, 0.87)
        if close:
            yield Danger(name, f"is no setting → did you mean {close[0]}?", warns=True)
