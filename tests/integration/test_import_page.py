"""An import by the page: upload, look, start, pause; through the outbox like any message, and once."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import ImportState, ImportStatus, Preferences
from integration_app.store import keys, vault
from integration_app.transfer import apart
from integration_app.transfer.apart import read_apart
from integration_app.transfer.items import UnreadableFile
from integration_app.web.app import create_app
from tests.conftest import Clock
from tests.integration.helpers import run_due, text
from tests.integration.web_client import Browser
from tests.people.helpers import sign_in
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
    assert "3 were imported" in browser.page


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


def test_what_a_user_texts_is_not_held_up(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.link_phone("u", "+15550001111")
    services.installations.prefer("u", Preferences(quiet_seconds=0))
    upload(browser, "chat.txt", CHAT.encode())
    browser.post("/me/import", do="start")
    text(services, "just now", sender="+15550001111")
    assert services.importing.step() == 1
    assert services.importing.step() == 0, "one of it waits at a time"
    run_due(services, clock)
    assert "just now" in "".join(sandbox.texts("u"))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.bin", b"\x00\x01\x02", "not a kind of file that is known"),
        ("a.jsonl", b"{broken", "could not be imported"),
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


def begun(browser: Browser, services: Services, data: bytes = CHAT.encode(), name: str = "chat.txt") -> ImportStatus:
    upload(browser, name, data)
    browser.post("/me/import", do="start")
    status = services.imports.status("u")
    assert status is not None
    return status


def test_a_worker_that_dies_behind_accepting_takes_nothing_twice_and_miscounts_nothing(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(browser, services)
    with monkeypatch.context() as patch:
        patch.setattr(type(services.imports), "took", lambda *_: False)
        services.importing.step()
    work(services, clock)
    status = services.imports.status("u")
    assert status is not None
    assert (status.taken, status.state) == (3, ImportState.DONE)
    assert len(sandbox.texts("u")) == 3


def test_what_was_erased_or_replaced_meanwhile_is_left_alone(
    browser: Browser, services: Services, redis: Redis
) -> None:
    old = begun(browser, services)
    ((item, _), *_) = services.imports.next("u", 1)
    browser.post("/me/import", do="forget")
    assert not services.imports.took("u", old.id, item, "m")
    services.imports.set_state("u", old.id, ImportState.RUNNING)
    assert services.imports.status("u") is None
    assert list(redis.scan_iter(f"{keys.PREFIX}import*")) == []
    new = begun(browser, services)
    assert not services.imports.took("u", old.id, item, "m")
    assert services.imports.status("u") == new


def test_one_that_cannot_be_read_stops_alone(
    browser: Browser, app: Flask, services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    begun(browser, services)
    redis.lset(keys.import_items("u"), 0, "{broken")
    other = sign_in(app, sandbox, "v", address="192.0.2.9")
    upload(other, "chat.txt", CHAT.encode())
    other.post("/me/import", do="start")
    work(services, clock)
    assert len(sandbox.texts("v")) == 3
    status = services.imports.status("u")
    assert status is not None
    assert status.state is ImportState.PAUSED
    assert services.health.counters()["alarms"] == 1, "operators are told"


def test_an_import_uses_up_nobodys_day(build: Callable[..., Services], sandbox: SandboxControl, clock: Clock) -> None:
    services = build(USER_MESSAGES_PER_DAY="5")
    browser = sign_in(create_app(services), sandbox, "u")
    services.installations.link_phone("u", "+15550001111")
    begun(browser, services, NOTES.encode(), "facts.jsonl")
    services.importing.step()
    assert text(services, "still taken", sender="+15550001111")


def test_an_import_goes_on_beside_a_digest_that_waits(
    browser: Browser, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.link_phone("u", "+15550001111")
    services.installations.prefer("u", Preferences(daily=True))
    text(services, "for the evening", sender="+15550001111")
    begun(browser, services)
    work(services, clock)
    assert len(sandbox.texts("u")) == 3


def test_rotating_a_key_takes_an_import_along_with_its_end(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis
) -> None:
    old, new = "1" * 64, "2" * 64
    services = build(DATA_KEYS=old)
    upload(sign_in(create_app(services), sandbox, "u"), "chat.txt", CHAT.encode())
    key = vault.current()._keys[0].id
    redis.rpush(keys.NOTICES, f"e1.{key}.AAAA")
    services = build(DATA_KEYS=f"{new},{old}")
    done = services.rotation.run()
    assert done["spoilt, left as they are"] == 1
    assert done["imports"] == 4
    assert 0 < int(redis.ttl(keys.import_items("u"))) <= 3600
    assert len(build(DATA_KEYS=new).imports.next("u", 10)) == 3


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tags.md", b"---\ntags: [" + b", ".join(b"tag%d" % n for n in range(4000)) + b"]\n---\n" + b"- fact\n" * 4900),
        ("front.md", b"---\n" + b"\n" * 3_000_000),
        ("chat.txt", b"[01/03/2026, 10:00:00] Mara: hi\n" + b"more\n" * 300_000),
        ("deep.jsonl", b"[" * 1_000_000),
    ],
)
@pytest.mark.usefixtures("no_collection")
def test_a_hostile_file_takes_a_bounded_time_and_leaves_nothing_on_disk(
    name: str, data: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    began = time.process_time()
    with suppress(UnreadableFile):
        assert len(read_apart(data, name, me="", zone="UTC", per="day", has_tasks=False)) <= 5000
    assert time.process_time() - began < 10, "of this process; the child has limits of its own"
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_is_killed_leaves_nothing_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(apart, "_SECONDS", -10)
    with pytest.raises(UnreadableFile, match="too long"):
        read_apart(CHAT.encode(), "chat.txt", me="", zone="UTC", per="day", has_tasks=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "..", "a\0.txt", "\U0001f600" * 80, "../../etc/passwd", "WhatsApp Chat.txt"])
def test_a_files_name_is_no_trouble(name: str) -> None:
    assert len(read_apart(CHAT.encode(), name, me="", zone="UTC", per="day", has_tasks=False)) == 3


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.mbox", b"From a@b Thu Jan  1 00:00:00 2026\nFrom: Ana <ana@example.com>\nSubject: Hi\n\nhello\n", "conversation"),
        ("long.md", b"A note about many things.", "conversation"),
        ("list.md", b"- one\n- two\n", "memories"),
        ("sms.xml", b'<smses count="1"><sms address="+15550001111" date="1767261600000" type="1" body="hi"/></smses>',
         "conversation"),
        ("m.vtt", b"WEBVTT\n\n00:00:01.000 --> 00:00:03.000\n<v Ana>Hello\n", "conversation"),
        ("t.csv", b"content,tags\nI like tea,drink\n", "memories"),
    ],
)  # fmt: skip
def test_every_kind_of_file_is_the_same_when_it_comes_again(name: str, data: bytes, kind: str) -> None:
    first = read_apart(data, name, me="", zone="UTC", per="day", has_tasks=False)
    time.sleep(1.1)
    again = read_apart(data, name, me="Ana", zone="UTC", per="day", has_tasks=False)
    assert {row.kind.value for row in first} == {kind}
    assert [row.key for row in first] == [row.key for row in again]
