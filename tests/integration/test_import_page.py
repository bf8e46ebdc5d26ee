"""An import by the page: upload, look, start, pause; through the outbox like any message, and once."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from integration_app.bootstrap import Services
from integration_app.model import ImportState, Preferences
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import run_due, text
from tests.integration.test_people import sign_in
from tests.integration.web_client import Browser
from tests.sandbox_control import SandboxControl

CHAT = "".join(f"[{day:02d}/03/2026, 10:00:00] Mara: words of day {day}\n" for day in range(1, 4))
NOTES = "\n".join(f'{{"content": "fact {number}"}}' for number in range(30))


@pytest.fixture
def services(build: Callable[..., Services]) -> Services:
    return build()


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


@pytest.fixture
def browser(app: Flask, sandbox: SandboxControl) -> Browser:
    return sign_in(app, sandbox, "u")


def upload(browser: Browser, name: str, data: bytes, **fields: Any) -> None:
    browser.get("/me/import")
    browser.post("/me/import", do="upload", file=(io.BytesIO(data), name), **fields)


def work(services: Services, clock: Clock, rounds: int = 12) -> None:
    for _ in range(rounds):
        services.importing.step()
        run_due(services, clock)
        clock.pass_time(seconds=5)


def test_a_chat_is_brought_along_day_by_day(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    upload(browser, "WhatsApp Chat with Mara.txt", CHAT.encode(), me="Me")
    assert "3 new items" in browser.page
    assert services.outbox.size("u") == 0, "nothing is sent before its owner says so"
    browser.post("/me/import", do="start")
    services.importing.step()
    assert services.outbox.size("u") == 1, "one at a time: what is texted meanwhile does not stand behind it"
    work(services, clock)
    said = sandbox.texts("u")
    assert len(said) == 3
    assert "Mara: words of day 1" in "".join(said)
    status = services.imports.status("u")
    assert status is not None
    assert status.state is ImportState.DONE
    browser.get("/me/import")
    assert "3 of 3 in your Omi" in browser.page


def test_a_second_time_nothing_is_new(browser: Browser, services: Services, clock: Clock) -> None:
    upload(browser, "chat.txt", CHAT.encode())
    browser.post("/me/import", do="start")
    work(services, clock)
    upload(browser, "chat.txt", CHAT.encode() + b"[04/03/2026, 10:00:00] Mara: one more\n")
    assert "1 new item." in browser.page
    assert "3 were brought before" in browser.page


def test_memories_share_calls(browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    upload(browser, "facts.jsonl", NOTES.encode())
    assert "30 new items" in browser.page
    browser.post("/me/import", do="start")
    work(services, clock)
    assert len(sandbox.memories("u")) == 30
    assert len(sandbox.calls("create_memories", "u")) == 1


def test_it_pauses_and_stops(browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    upload(browser, "chat.txt", CHAT.encode())
    browser.post("/me/import", do="start")
    work(services, clock, rounds=1)
    browser.post("/me/import", do="pause")
    work(services, clock)
    assert len(sandbox.texts("u")) == 1
    browser.post("/me/import", do="start")
    work(services, clock, rounds=1)
    assert len(sandbox.texts("u")) == 2
    browser.post("/me/import", do="forget")
    work(services, clock)
    assert len(sandbox.texts("u")) == 2


def test_what_a_user_texts_goes_first(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.link_phone("u", "+15550001111")
    services.installations.prefer("u", Preferences(quiet_seconds=0))
    upload(browser, "chat.txt", CHAT.encode())
    browser.post("/me/import", do="start")
    text(services, "just now", sender="+15550001111")
    assert services.importing.step() == 0
    work(services, clock)
    assert "just now" in sandbox.texts("u")[0] + sandbox.texts("u")[-1]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.bin", b"\x00\x01\x02", "not a kind of file that is known"),
        ("a.jsonl", b"{broken", "That file was not taken"),
        ("empty.txt", b"", "choose a file first"),
        ("x.md", b"\n", "nothing in it"),
    ],
)
def test_what_cannot_be_read_is_said(browser: Browser, name: str, data: bytes, words: str) -> None:
    upload(browser, name, data)
    assert words in browser.page


def test_a_stranger_uploads_nothing(app: Flask) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"x" * 2_000_000
    answer = app.test_client().post("/me/import", data=part, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 413


def test_erasing_ends_an_import(browser: Browser, services: Services, clock: Clock) -> None:
    upload(browser, "chat.txt", CHAT.encode())
    browser.post("/me/import", do="start")
    services.erasure.erase("u")
    assert services.imports.status("u") is None
    assert services.importing.step() == 0
