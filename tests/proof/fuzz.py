"""Hostile input: genuine samples and the mail corpus, cut, doubled and spoiled at random, by the hundred thousand.

Whatever comes, a provider says yes or refuses in its own words, and what it lets in becomes text: no other error, no
second of work for one input, no memory that grows.
"""

from __future__ import annotations

import base64
import json
import os
import re
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from environs import Env
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from integration_app.errors import BadSignature, DoorError, MalformedPayload, VendorError
from integration_app.model import Content, InboundMessage, Route
from integration_app.pipeline.delivery.compose import parts_of
from integration_app.pipeline.delivery.prepare import is_empty, prepare
from integration_app.providers import registry
from integration_app.providers.base import Provider, WebhookRequest
from integration_app.store import codec

NOW = datetime(2026, 11, 20, 8, 0, 0, tzinfo=UTC)
CORPUS = Path(__file__).resolve().parent.parent / "corpus"
SECONDS_MAX = 1.0
MEGABYTES_MAX = 400.0

_BATCH, _SEED = 4000, 20261120

_PIECES = (
    b"", b"\x00", b"\xff\xfe", b"\r\n", b"\r\n\r\n", b"--", b'"', b"{", b"[[[[[[[[", b"null", b"-1", b"1e999", b"true",
    b"%00", b"%", b"&", b"=", b"\\ud83d", "\u202e".encode(), "é".encode("utf-16"), b"=?utf-8?q?=ff?=", b"boundary=x",
    b"charset=zip", b"<blockquote>" * 50, b"<!--" * 50, b"(" * 300, b"a" * 5000, b" " * 3000, b"On On On On ", b"> " * 500,
    b"Content-Type: message/rfc822\r\n\r\n", b"BEGIN:VEVENT\r\n", b"From: <a@b.example>\r\n",
)  # fmt: skip
_OPERATIONS = ("insert", "replace", "cut", "double", "flip")

Change = tuple[str, int, int, bytes]
Changes = st.lists(
    st.tuples(
        st.sampled_from(_OPERATIONS),
        st.integers(0, 2**20),
        st.integers(0, 200),
        st.one_of(st.sampled_from(_PIECES), st.binary(max_size=12)),
    ),
    max_size=6,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one target did; `crash` is the first error that has no business there, `slowest` in seconds."""

    target: str
    inputs: int
    let_in: int
    slowest: float
    megabytes: float
    seconds: float
    crash: str | None


def targets() -> list[str]:
    return [*registry.specs(), "mail"]


def run(inputs: int, lanes: int, say: Callable[[str], None]) -> list[Result]:
    """Every target, each in a process of its own."""
    found = []
    with ProcessPoolExecutor(max_workers=lanes, max_tasks_per_child=1) as pool:
        for result in pool.map(try_target, targets(), [inputs] * len(targets())):
            say(f"fuzz: {result}")
            found.append(result)
    return found


def try_target(target: str, inputs: int) -> Result:
    began, before = time.monotonic(), _megabytes()
    seen = {"inputs": 0, "let_in": 0}
    slowest = 0.0
    crash: str | None = None
    attempt = _mail() if target == "mail" else _provider(target)

    def fuzz(which: int, changes: list[Change], where: int) -> None:
        nonlocal slowest
        for _ in range(3):  # one that is slow again and again; the collector, or another process, costs once
            started = time.thread_time()  # not by the clock on the wall: the machine may be busy
            let_in = attempt(which, changes, where)
            took = time.thread_time() - started
            if took <= SECONDS_MAX:
                break
        else:
            raise AssertionError(f"{took:.2f} s for one input")
        seen["let_in"] += let_in
        seen["inputs"] += 1
        slowest = max(slowest, took)

    try:
        for start in range(0, inputs, _BATCH):  # in batches, for Hypothesis remembers all that it has tried
            _many(fuzz, start, min(_BATCH, inputs - start))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        crash = f"{type(error).__name__}: {error}"[:500]
    grew = _megabytes() - before
    if crash is None and grew > MEGABYTES_MAX:
        crash = f"memory grew by {grew:.0f} MB"
    return Result(
        target,
        seen["inputs"],
        seen["let_in"],
        round(slowest, 3),
        round(grew, 1),
        round(time.monotonic() - began, 1),
        crash,
    )


def _many(fuzz: Callable[[int, list[Change], int], None], start: int, inputs: int) -> None:
    configured = settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    drawn = given(st.integers(0, 10_000), Changes, st.integers(0, 7))
    seed(_SEED + start)(configured(drawn(fuzz)))()


def spoil(data: bytes, changes: list[Change]) -> bytes:
    """`data` with the changes made, one after the other."""
    for operation, at, length, piece in changes:
        begin = at % (len(data) + 1)
        end = min(begin + length, len(data))
        if operation == "insert":
            data = data[:begin] + piece + data[begin:]
        elif operation == "replace":
            data = data[:begin] + piece + data[end:]
        elif operation == "cut":
            data = data[:begin] + data[end:]
        elif operation == "double":
            data = data[:end] + data[begin:end] * 3 + data[end:]
        elif data:
            spot = begin % len(data)
            data = data[:spot] + bytes([data[spot] ^ (1 << (length % 8))]) + data[spot + 1 :]
    return data


def _provider(name: str) -> Callable[[int, list[Change], int], int]:
    """Spoil a sample's body, or one of its headers, or its query; sign nothing, so `verify` and `parse` both see it."""
    folder = resources.files(f"integration_app.providers.{name.replace('-', '_')}").joinpath("samples")
    loaded = {item.name: json.loads(item.read_text(encoding="utf-8")) for item in folder.iterdir()}
    with _environment(loaded.pop("settings.json")):
        provider = registry.specs()[name].from_env(Env())
    assert provider is not None
    samples = [request_of(sample) for _, sample in sorted(loaded.items()) if "repeat" not in sample]

    def attempt(which: int, changes: list[Change], where: int) -> int:
        return _through(provider, _spoiled(samples[which % len(samples)], changes, where))

    return attempt


def _through(outer: Provider, request: WebhookRequest) -> int:
    path = urlsplit(request.url).path.split("/", 3)
    provider = outer.at(f"/{path[3]}" if len(path) > 3 else "") or outer
    if provider.is_probe(request):
        return 0
    with suppress(BadSignature, VendorError):  # a forger stops here; whoever has the key does not
        provider.verify(request)
    with suppress(MalformedPayload, VendorError, KeyError):  # (KeyError: what `verify` has made sure of)
        if provider.acknowledge(request):
            return 0
    try:
        messages = provider.messages(request)
    except DoorError:
        return 0
    found = [message for message in messages if not isinstance(message, DoorError)]
    for message in found:
        _to_text(message)
    return int(bool(found))


def _spoiled(request: WebhookRequest, changes: list[Change], where: int) -> WebhookRequest:
    headers, query, body = dict(request.headers), request.query, request.body
    if where == 0 and headers:
        name = sorted(headers)[len(changes) % len(headers)]
        headers[name] = spoil(headers[name].encode(), changes).decode("latin-1")
    elif where == 2 and body[:1] == b"{":
        body = _spoiled_inside(body, changes)
    elif where == 1:
        query = spoil(query.encode(), changes).decode("latin-1")
    else:
        body = spoil(body, changes)
    return WebhookRequest(request.method, request.url, query, headers, body, NOW)


def _spoiled_inside(body: bytes, changes: list[Change]) -> bytes:
    """One text somewhere inside the JSON, in the JSON or base64 inside that, instead of the brackets around it."""
    try:
        value = json.loads(body)
    except ValueError:
        return spoil(body, changes)
    places = list(_texts(value))
    if not places:
        return spoil(body, changes)
    holder, name = places[(changes[0][1] if changes else 0) % len(places)]
    text = holder[name]
    inner = text.encode("utf-8", "surrogatepass")
    if text[:1] == "{":
        inner = _spoiled_inside(inner, changes)
    elif len(text) > 40 and len(text) % 4 == 0 and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text):
        inner = base64.b64encode(spoil(base64.b64decode(text), changes))
    else:
        inner = spoil(inner, changes)
    holder[name] = inner.decode("utf-8", "surrogateescape")
    return json.dumps(value).encode()


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        if isinstance(item, str):
            yield value, name
        else:
            yield from _texts(item)


def _mail() -> Callable[[int, list[Change], int], int]:
    mails = [path.read_bytes() for path in sorted(CORPUS.glob("*.eml"))]

    def attempt(which: int, changes: list[Change], where: int) -> int:
        raw = spoil(mails[which % len(mails)], changes)
        if where == 0:
            raw += mails[(which + len(changes)) % len(mails)]
        content = Content(mime=base64.b64encode(raw).decode())
        _to_text(
            InboundMessage(
                provider="any",
                event_id="e",
                dedupe_keys=("k",),
                channel="email",
                route=Route.RECIPIENT,
                sender="",
                received_at=NOW,
                content=content,
            )
        )
        return 1

    return attempt


def _to_text(message: InboundMessage) -> None:
    """As intake and a worker do it: through the store's JSON, then to text."""
    if is_empty(message.content):
        return
    stored = codec.load_message(codec.dump_envelope(message), codec.dump_content(message.content))
    for part in parts_of(prepare(stored)):
        codec.load_prepared(codec.dump_prepared(part))
        part.text.encode()  # no half emoji gets this far


def request_of(sample: dict[str, Any]) -> WebhookRequest:
    target = sample["target"]
    return WebhookRequest(
        sample["method"],
        "https://inbox.example.com" + target,
        target.partition("?")[2],
        {name.lower(): value for name, value in sample["headers"].items()},
        body_of(sample),
        NOW,
    )


def body_of(sample: dict[str, Any]) -> bytes:
    if "body_base64" in sample:
        return base64.b64decode(sample["body_base64"])
    if "body" in sample:
        return str(sample["body"]).encode()
    if "form" in sample:
        return urlencode(sample["form"]).encode()
    return json.dumps(sample["json"]).encode() if "json" in sample else b""


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
