"""What the values of settings look like; each raises `ValidationError` with a sentence."""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from environs import ValidationError

from integration_app.model import QuietHours


def not_blank(value: str) -> None:
    if not value.strip():
        raise ValidationError("must not be empty")


def _split(value: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError:  # its words would repeat a password
        raise ValidationError("is not a URL") from None


def api_key(value: str) -> None:
    not_blank(value)
    if not value.isascii() or not value.isprintable():
        raise ValidationError("has a line break in it, or a character that no key has: copy it anew")


def developer_key(value: str) -> None:
    if value:
        api_key(value)


def base_url(value: str) -> None:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValidationError("must be an http(s) URL without query, such as https://inbox.example.com")
    if parts.username or parts.password:
        raise ValidationError("must not carry credentials")


def email(value: str) -> None:
    if value and not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+", value):
        raise ValidationError("must be a mail address")


def url(value: str) -> None:
    if _split(value).scheme not in ("http", "https") or not _split(value).hostname:
        raise ValidationError("must be an http(s) URL")


def apprise(values: list[str]) -> None:
    if values and not importlib.util.find_spec("apprise"):
        raise ValidationError("needs an extra: pip install 'omi-inbox[alerts]'")
    if any("://" not in value for value in values):
        raise ValidationError("each must be a URL as apprise has them, such as ntfy://topic, with a comma between two")


def quiet_hours(value: str) -> None:
    try:
        QuietHours.read(value)
    except (ValueError, KeyError, OSError):
        raise ValidationError("must be two hours and a zone, such as 22-7 Europe/Berlin") from None


def signing_secret(value: str) -> None:
    try:
        key = base64.b64decode(value.removeprefix("whsec_") + "==")
    except ValueError:
        key = b""
    if not value.startswith("whsec_") or len(key) < 16:
        raise ValidationError("must be whsec_ and at least 16 bytes in base64: echo whsec_$(openssl rand -base64 24)")


CLUSTERS = ("redis+cluster", "rediss+cluster")


def redis_url(value: str) -> None:
    scheme = _split(value).scheme
    if scheme in CLUSTERS:
        _cluster_url(value)
        return
    if scheme not in ("redis", "rediss", "unix", "redis+sentinel"):
        raise ValidationError("must be a redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// URL")
    if value.count("://") > 1 or (scheme in ("redis", "rediss") and "," in _split(value).netloc.rpartition("@")[2]):
        raise ValidationError("must name one host; REDIS_URLS takes several, with spaces between them, not commas")
    _ports(value)
    if scheme == "redis+sentinel" and not _split(value).path.strip("/"):
        raise ValidationError("must name the service behind the hosts, such as redis+sentinel://a:26379,b:26379/main/0")


def _ports(value: str) -> None:
    hosts = _split(value).netloc.rpartition("@")[2].split(",")
    if "" in hosts[1:]:
        raise ValidationError("must name hosts with one comma between two")
    ports = [port for host in hosts for port in [host.rpartition("]")[2].partition(":")[2]] if port]
    if not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports):
        raise ValidationError("must name ports as numbers")


def _cluster_url(value: str) -> None:
    parts = _split(value)
    _ports(value)
    count = parts.path.strip("/")
    if not parts.netloc.rpartition("@")[2] or (count and not (count.isdecimal() and 1 <= int(count) <= 256)):
        raise ValidationError("must name nodes, and into how many parts (1 to 256): redis+cluster://a:6379,b:6379/16")


def parts(urls: Sequence[str]) -> int:
    """Into how many parts users are split."""
    count = _split(urls[0]).path.strip("/")
    return int(count or 16) if urls[0].startswith(CLUSTERS) and (count or "16").isdecimal() else len(urls)


def rq_redis_url(value: str) -> None:
    if value:
        redis_url(value)
        if _split(value).scheme in CLUSTERS:
            raise ValidationError("RQ cannot use a cluster: a small Redis of its own is enough")


def redis_urls(value: str) -> None:
    for url in value.split():
        redis_url(url)
    if len(value.split()) > 1 and any(_split(url).scheme in CLUSTERS for url in value.split()):
        raise ValidationError("must be several primaries, or one cluster")


def phone(value: str) -> None:
    if value and not (value.startswith("+") and value[1:].isdigit() and 7 <= len(value) <= 16):
        raise ValidationError("must be a phone number such as +15550009999")


def each_a_token(values: list[str]) -> None:
    if any(len(value) < 24 for value in values):
        raise ValidationError("each must have at least 24 characters, with one comma between two: openssl rand -hex 24")


def totp(value: str) -> None:
    try:
        key = base64.b32decode(value.replace(" ", "").upper() + "=" * (-len(value.replace(" ", "")) % 8))
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ValidationError("must be base32 of 16 bytes or more: omi-inbox operator-password --totp makes one")


def some_long_enough(values: list[str]) -> None:
    if not values:
        raise ValidationError("must not be empty")
    each_long_enough(values)


def each_long_enough(values: list[str]) -> None:
    """An empty one would let everyone sign."""
    if any(len(value) < 16 for value in values):
        raise ValidationError("each must have at least 16 characters, with one comma between two")


def domain(value: str) -> None:
    if value and ("." not in value or any(sign in value for sign in "@/: ")):
        raise ValidationError("must be a bare mail domain, such as in.example.com")


def each_a_key(values: list[str]) -> None:
    if any(len(value) < 32 and (value != "plain" or number) for number, value in enumerate(values)):
        raise ValidationError("each must have at least 32 characters, newest first: openssl rand -hex 32")


def networks(values: list[str]) -> None:
    try:
        for value in values:
            ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValidationError("must be networks such as 203.0.113.0/24, separated by commas") from None
