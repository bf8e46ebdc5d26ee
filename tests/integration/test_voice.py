"""Voice notes, recordings and cards: fetched from a stand-in of Twilio's media, turned into words by a stand-in of the
transcription endpoint that checks the multipart request as OpenAI documents it."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.formparser import parse_form_data

from integration_app.bootstrap import Services
from integration_app.model import Attachment, Content
from tests.conftest import Clock
from tests.integration.helpers import link, run_due, run_to_rest, state, text
from tests.sandbox_control import SandboxControl

SID, TOKEN = "AC" + "1" * 32, "made-up-token-of-twilio"
VOICE = b"OggS" + bytes(2) + (42 * 48_000).to_bytes(8, "little") + b"OpusHead" + bytes(500)
CARD = b"BEGIN:VCARD\r\nFN:Mara Stein\r\nTEL:+15550001111\r\nEND:VCARD"


@dataclass
class Vendor:
    """`missing`: how often the media is not there yet. `away`: how often the transcription endpoint fails."""

    base: str = ""
    missing: int = 0
    away: int = 0
    said: str = "Call Mara back before six"
    asked: list[dict[str, Any]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKENS": f"rotated-token-of-before,{TOKEN}",
            "TWILIO_API_BASE_URL": self.base,
            "TRANSCRIBE_URL": f"{self.base}/v1/audio/transcriptions",
            "TRANSCRIBE_KEY": "made-up-key",
            "TRANSCRIBE_MODEL": "whisper-large",
        }


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    found = Vendor()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    found.base = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def _handler(vendor: Vendor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            vendor.fetched.append(self.path)
            expected = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()
            if self.path.startswith("/cdn/"):
                assert "Authorization" not in self.headers
                return self._answer(200, CARD if "card" in self.path else VOICE)
            if self.headers.get("Authorization") != expected:
                return self._answer(401, b"")
            if vendor.missing:
                vendor.missing -= 1
                return self._answer(404, b"")
            self.send_response(307)
            self.send_header("Location", self.path.replace("/media/", "/cdn/"))
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if vendor.away:
                vendor.away -= 1
                return self._answer(503, b"")
            environ = {
                "wsgi.input": io.BytesIO(body),
                "CONTENT_TYPE": self.headers["Content-Type"],
                "CONTENT_LENGTH": str(len(body)),
                "REQUEST_METHOD": "POST",
            }
            _, form, files = parse_form_data(environ)
            file: FileStorage = files["file"]
            vendor.asked.append(
                dict(form)
                | {"file": file.read(), "name": file.filename, "type": file.content_type}
                | {"key": self.headers.get("Authorization"), "path": self.path}
            )
            file.close()
            return self._answer(200, f'{{"text": "{vendor.said}"}}'.encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def services(build: Callable[..., Services], vendor: Vendor, sandbox: SandboxControl) -> Services:
    found = build(**vendor.env)
    sandbox.enable("u")
    link(found, "u")
    return found


def note(services: Services, vendor: Vendor, kind: str = "audio/ogg", said: str | None = None) -> str:
    media = Attachment(kind, url=f"{vendor.base}/media/{'card' if 'card' in kind else 'voice'}")
    return text(services, said or "", provider="twilio", content=Content(text=said, attachments=(media,)))


def test_a_voice_note_reaches_omi_as_words(
    services: Services, sandbox: SandboxControl, clock: Clock, vendor: Vendor
) -> None:
    note(services, vendor)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: [Voice, 0:42] Call Mara back before six"]
    (asked,) = vendor.asked
    assert asked["path"] == "/v1/audio/transcriptions"
    assert asked["key"] == "Bearer made-up-key"
    assert (asked["model"], asked["response_format"]) == ("whisper-large", "json")
    assert (asked["file"], asked["name"], asked["type"]) == (VOICE, "voice.ogg", "audio/ogg")


def test_media_that_is_late_is_waited_for_and_nothing_overtakes_it(
    services: Services, sandbox: SandboxControl, clock: Clock, vendor: Vendor
) -> None:
    vendor.missing = 2
    note(services, vendor)
    text(services, "second")
    clock.pass_time(seconds=25)
    run_due(services, clock)
    assert sandbox.texts("u") == []
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: [Voice, 0:42] Call Mara back before six\n\nMe: second"]


def test_an_endpoint_that_stays_away_names_the_note_in_the_end(
    services: Services, sandbox: SandboxControl, clock: Clock, vendor: Vendor
) -> None:
    vendor.away = 1000
    message_id = note(services, vendor, said="Listen")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert sandbox.texts("u") == ["Me: Listen\n[Attachment: audio/ogg – not read: TRANSCRIBE_URL answers 503]"]


def test_a_card_in_a_picture_message_is_read(
    services: Services, sandbox: SandboxControl, clock: Clock, vendor: Vendor
) -> None:
    note(services, vendor, "text/x-vcard", "Mara")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: Mara\n\nAttachment: text/x-vcard\nName: Mara Stein\nPhone: +15550001111"]


def test_a_place_becomes_the_conversations_place(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    text(services, "", content=Content(text="[Location: (38.7, -9.1)]", place=(38.7, -9.1)))
    run_to_rest(services, clock)
    (made,) = sandbox.conversations("u")
    place = made["geolocation"]
    assert (place["latitude"], place["longitude"]) == (38.7, -9.1)


def test_the_budget_of_a_day_is_kept(
    build: Callable[..., Services], vendor: Vendor, sandbox: SandboxControl, clock: Clock
) -> None:
    found = build(**vendor.env, TRANSCRIBE_NOTES_PER_DAY="1")
    sandbox.enable("u")
    link(found, "u")
    for _ in range(2):
        note(found, vendor)
        run_to_rest(found, clock)
    assert len(vendor.asked) == 1
    assert "today's recordings are used up" in sandbox.texts("u")[-1] + sandbox.texts("u")[0]
