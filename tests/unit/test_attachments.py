"""Attachments as text: every kind, hostile files, the heads above them, and the same words in both modes of a door."""

from __future__ import annotations

import base64
import io
import socket
import threading
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from openpyxl import Workbook

from integration_app.attachments import Reading, read
from integration_app.attachments.documents import read_document
from integration_app.attachments.reader import AttachmentReader, Fetch
from integration_app.attachments.voice import length_of
from integration_app.errors import NotYet, VendorError
from integration_app.model import (
    Attachment,
    Content,
    InboundMessage,
    Installation,
    InstallationState,
    Kind,
    Preferences,
    PreparedText,
    Route,
)
from integration_app.pipeline.delivery.compose import parts_of
from integration_app.pipeline.delivery.for_user import for_user
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.providers.common import fetch as vendor
from integration_app.text.kinds import FileKind, kind_of_file

NOW = datetime(2026, 11, 16, 9, 14, tzinfo=UTC)


def pdf(*pages: str) -> bytes:
    """A PDF with a line of text on each page, without a compressor or a cross-reference that is right."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    body, offsets = b"%PDF-1.4\n", []
    for number, value in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, value)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    return (
        body + head + table + b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    )


def zipped(**members: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return made.getvalue()


def docx() -> bytes:
    row = (
        "<w:tr><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc></w:tr>"
    )
    return zipped(
        **{
            "word/document.xml": '<w:document xmlns:w="urn:w"><w:body><w:p><w:r><w:t>Room </w:t></w:r><w:r><w:t>12</w:t>'
            f"</w:r></w:p><w:tbl>{row.format('Day', 'Price')}{row.format('Fri', '90')}</w:tbl></w:body></w:document>"
        }
    )


def pptx() -> bytes:
    slide = '<p:sld xmlns:p="urn:p" xmlns:a="urn:a"><a:p><a:r><a:t>{}</a:t></a:r></a:p></p:sld>'
    return zipped(**{f"ppt/slides/slide{n}.xml": slide.format(t) for n, t in ((1, "Plan"), (2, "Costs"), (10, "End"))})


def odt(body: str = "<t:p>Dear<t:s t:c='2'/>Sam<t:line-break/>Bye</t:p>") -> bytes:
    return zipped(**{"content.xml": f'<o:d xmlns:o="urn:o" xmlns:t="urn:t" xmlns:b="urn:b">{body}</o:d>'})


def ods() -> bytes:
    cells = '<b:table-cell><t:p>Milk</t:p></b:table-cell><b:table-cell b:number-columns-repeated="2"/><b:table-cell><t:p>2</t:p></b:table-cell>'
    return odt(f"<b:table><b:table-row>{cells}</b:table-row></b:table>")


def xlsx() -> bytes:
    book = Workbook()
    book.active.append(["Day", "Price"])  # type: ignore[union-attr]
    book.active.append([datetime(2026, 11, 20), 12.5])  # type: ignore[union-attr]  # noqa: DTZ001
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


@pytest.mark.parametrize(
    ("kind", "data", "words", "detail"),
    [
        (FileKind.PDF, pdf("Boarding at 09:40", "Gate 7"), "Boarding at 09:40\n\nGate 7", "2 pages"),
        (FileKind.WORD, docx(), "Room 12\nDay | Price\nFri | 90", ""),
        (FileKind.SLIDES, pptx(), "Slide 1\nPlan\n\nSlide 2\nCosts\n\nSlide 10\nEnd", "3 slides"),
        (FileKind.SHEET, xlsx(), "Day | Price\n2026-11-20 | 12.5", "1 sheet"),
        (FileKind.OPEN_TEXT, odt(), "Dear  Sam\nBye", ""),
        (FileKind.OPEN_SHEET, ods(), "Milk |  |  | 2", ""),
    ],
)
def test_documents_are_read(kind: FileKind, data: bytes, words: str, detail: str) -> None:
    found = read_document(kind, data)
    assert (found.why_not, found.text, found.detail) == ("", words, detail)


@pytest.mark.parametrize(
    ("kind", "name", "data", "words"),
    [
        ("text/plain", "notes.txt", b"milk\nbread", "milk\nbread"),
        ("application/octet-stream", "list.md", b"# To do", "# To do"),
        ("text/html", "page.html", b"<p>Room <b>12</b></p>", "Room 12"),
        ("text/plain", "umlaut.txt", "Grüße".encode("latin-1"), "Grüße"),
        (
            "text/vcard",
            "mara.vcf",
            b"BEGIN:VCARD\r\nFN:Mara Stein\r\nTEL;TYPE=cell:+15550001111\r\nEND:VCARD",
            "Name: Mara Stein\nPhone: +15550001111",
        ),
        ("text/plain", "photo.txt", bytes(range(32)) * 9, ""),
        ("text/plain", "key.asc", b"-----BEGIN PGP", ""),
        ("image/png", "a.png", b"PNG", ""),
    ],
)
def test_attachments_that_can_be_read_at_once(kind: str, name: str, data: bytes, words: str) -> None:
    assert read(Attachment(kind, name, data=data)).text == words


def _bomb() -> bytes:
    return zipped(**{"word/document.xml": "<w:p xmlns:w='urn:w'>" + "<w:t>a</w:t>" * 5_000_000 + "</w:p>"})


def _entities() -> bytes:
    doctype = (
        "<!DOCTYPE x [" + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 20 if n else 'a' * 20}'>" for n in range(9)) + "]>"
    )
    return zipped(**{"content.xml": f'{doctype}<o:d xmlns:o="urn:o" xmlns:t="urn:t"><t:p>&e8;</t:p></o:d>'})


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (FileKind.WORD, _bomb()),
        (FileKind.OPEN_TEXT, _entities()),
        (FileKind.PDF, b"%PDF-1.7\n" + b"1 0 obj<</A" * 50_000),
        (FileKind.PDF, b""),
        (FileKind.SHEET, b"PK\x03\x04" + b"\x00" * 500),
        (FileKind.WORD, zipped(**{"word/document.xml": "<a>" * 100_000})),
        (FileKind.SLIDES, zipped(a="b")),
        (FileKind.SHEET, zipped(**{"xl/workbook.xml": "<x/>"})),
    ],
    ids=["bomb", "entities", "broken pdf", "empty", "broken zip", "deep", "no slides", "no sheets"],
)
def test_hostile_documents_end_in_time_with_a_reason(kind: FileKind, data: bytes) -> None:
    begun = time.monotonic()
    found = read_document(kind, data)
    assert found.why_not or len(found.text) < 21_000
    assert time.monotonic() - begun < 60  # the limit is 15 s; a test machine may be busy


def test_a_locked_and_a_scanned_pdf_are_named_with_the_reason() -> None:
    assert read_document(FileKind.PDF, pdf("")).why_not == "there is no text in it: a scan or a picture"


@pytest.mark.parametrize(
    ("claimed", "name", "kind"),
    [
        ("application/octet-stream", "ticket.PDF", FileKind.PDF),
        ("application/pdf", None, FileKind.PDF),
        ("application/pdf", "ticket", FileKind.PDF),
        ("text/plain", "main.py", None),
        ("audio/ogg; codecs=opus", None, FileKind.AUDIO),
        ("message/rfc822", "mail.txt", FileKind.MAIL),
        ("application/msword", "old.doc", None),
        ("text/calendar; method=REQUEST", "invite.txt", FileKind.CALENDAR),
    ],
)
def test_kinds(claimed: str, name: str | None, kind: FileKind | None) -> None:
    assert kind_of_file(claimed, name) is kind


def message(*attachments: Attachment, text: str = "Here it is.") -> InboundMessage:
    content = Content(text=text, subject="Trip", attachments=attachments)
    return InboundMessage("postmark", "e1", ("k",), "email", Route.RECIPIENT, "ana@example.com", NOW, content)


def user(**preferences: bool) -> Installation:
    return Installation("u1", InstallationState.ENABLED, NOW, "t" * 20, preferences=Preferences(**preferences))  # type: ignore[arg-type]


TICKET = Attachment("application/pdf", "ticket.pdf", 900, pdf("Gate 7"))


def test_words_stand_below_a_head_and_the_user_may_refuse_them() -> None:
    prepared = prepare(message(TICKET, Attachment("image/jpeg", "a.jpg", 2000)), read)
    assert for_user(prepared, message(), user()).text == (
        "Here it is.\n[Attachment: a.jpg, image/jpeg, 2 kB]\n\nAttachment: ticket.pdf (1 page)\nGate 7"
    )
    assert for_user(prepared, message(), user(read_attachments=False)).text == (
        "Here it is.\n[Attachment: a.jpg, image/jpeg, 2 kB]\n[Attachment: ticket.pdf, application/pdf, 900 bytes]"
    )


def test_what_cannot_be_read_is_named_with_its_reason() -> None:
    large = Attachment("application/pdf", "book.pdf", 40_000_000, why_not="it is too large to be read")
    assert prepare(message(large), read).text == (
        "Here it is.\n[Attachment: book.pdf, application/pdf, 40.0 MB – not read: it is too large to be read]"
    )


def test_a_long_attachment_is_cut_with_a_note() -> None:
    found = read(Attachment("text/plain", "log.txt", data=b"word " * 10_000))
    assert found.text.endswith("\n[Cut here: the attachment goes on]")
    assert len(found.text) < 20_100


def test_attachments_of_a_text_that_is_too_long_go_with_its_last_part() -> None:
    long = PreparedText("word " * 19_900, Kind.CONVERSATION, attached="Attachment: a.txt\n" + "x" * 19_000, named="[a]")
    made = parts_of(long)
    assert [bool(part.attached) for part in made] == [False, True]
    assert [(part.part, part.parts) for part in made] == [(1, 2), (2, 2)]
    assert all(len(part.text) + len(part.attached) < 100_000 for part in made)


# --- fetched ones, and voices ----------------------------------------------------------------------------


class Voice:
    """Stands in for the endpoint; the real request is tested in tests/integration."""

    def __init__(self, *said: str | Exception) -> None:
        self.said = list(said)

    def transcribe(self, data: bytes, content_type: str, *, name: str | None, language: str | None) -> str:
        found = self.said.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def reader(
    voice: Voice | None = None, *, allowed: bool = True, late: timedelta = timedelta(0), **fetch: Fetch
) -> AttachmentReader:
    return AttachmentReader(
        fetch=fetch,
        transcriber=voice,
        may_transcribe=lambda uid, now: allowed,
        was_not_transcribed=lambda uid, now: None,
        clock=lambda: NOW + late,
    )


def fetched(attachment: Attachment) -> bytes:
    return b"OggS" + bytes(2) + (42 * 48_000).to_bytes(8, "little") + b"OpusHead" + bytes(20)


def missing(attachment: Attachment) -> bytes:
    raise NotYet(15, "the vendor answers 404")


NOTE = Attachment("audio/ogg", url="https://api.example.com/media/1")


def text_of(made: AttachmentReader, attachment: Attachment = NOTE, said: str = "") -> str:
    sms = InboundMessage(
        "twilio",
        "e",
        ("k",),
        "whatsapp",
        Route.SENDER,
        "+15550001111",
        NOW,
        Content(text=said, attachments=(attachment,)),
    )
    prepared = prepare(sms, made.of(sms, "u1", "pt-BR", lambda: NOW))
    return for_user(prepared, sms, user()).text


def test_a_vendor_that_only_drips_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with suppress(OSError):
            caller, _ = listener.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
                for _ in range(300):
                    caller.sendall(b"x")
                    time.sleep(0.05)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    monkeypatch.setattr(vendor, "_SECONDS", 0.3)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(NotYet, match="too slow"):
        vendor.fetch(f"{base}/media", base_url=base)
    assert time.monotonic() - began < 10, "it would have dripped for a quarter of a minute"
    listener.close()


def test_patience_counts_from_the_first_try_and_our_own_queue_never_ends_it() -> None:
    busy = NotYet(15, "other documents are being read", is_ours=True)
    with pytest.raises(NotYet):
        text_of(reader(Voice(busy), late=timedelta(minutes=11), twilio=fetched))


def test_a_voice_note_becomes_its_words_with_its_length() -> None:
    assert text_of(reader(Voice("Call Mara back"), twilio=fetched)) == "[Voice, 0:42] Call Mara back"


def test_a_voice_note_waits_for_the_endpoint_and_then_goes_as_named() -> None:
    away = NotYet(60, "TRANSCRIBE_URL answers 503")
    with pytest.raises(NotYet):
        text_of(reader(Voice(away), twilio=fetched))
    assert text_of(reader(Voice(away), late=timedelta(minutes=11), twilio=fetched)) == (
        "[Attachment: audio/ogg – not read: TRANSCRIBE_URL answers 503]"
    )


def test_a_voice_note_without_an_endpoint_is_named_and_not_fetched() -> None:
    assert text_of(reader(None, twilio=missing)) == "[Attachment: audio/ogg]"


def test_a_budget_that_is_used_up_names_the_note() -> None:
    assert text_of(reader(Voice(), allowed=False, twilio=fetched)) == (
        "[Attachment: audio/ogg – not read: today's recordings are used up]"
    )


def test_a_recording_that_is_refused_or_silent_is_named() -> None:
    refused = VendorError("the transcription endpoint answers 400")
    assert "answers 400" in text_of(reader(Voice(refused), twilio=fetched))
    assert "nothing is said in it" in text_of(reader(Voice(""), twilio=fetched))


def test_media_that_is_not_there_yet_is_waited_for() -> None:
    card = Attachment("text/vcard", url="https://api.example.com/media/2")
    with pytest.raises(NotYet):
        text_of(reader(twilio=missing), card)
    assert "not read: the vendor answers 404" in text_of(reader(late=timedelta(minutes=11), twilio=missing), card)


def test_pictures_are_never_fetched() -> None:
    picture = Attachment("image/jpeg", url="https://api.example.com/media/3")
    assert text_of(reader(twilio=missing), picture, "Look") == "Look\n[Attachment: image/jpeg]"


def test_the_length_of_other_recordings_is_not_guessed() -> None:
    assert length_of(b"RIFF....WAVE") == ""
    assert length_of(b"OggSOpusHead") == ""


# --- raw and parsed --------------------------------------------------------------------------------------


def mail_with(*files: tuple[str, str, bytes]) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["Subject"], mail["Date"] = "ana@example.com", "Trip", "Mon, 16 Nov 2026 09:14:00 +0000"
    mail.set_content("Here it is.")
    for kind, name, data in files:
        major, _, minor = kind.partition("/")
        if kind == "message/rfc822":
            inner = EmailMessage()
            inner["From"], inner["Subject"] = "mara@example.com", "Room"
            inner.set_content(data.decode())
            mail.add_attachment(inner)
        else:
            mail.add_attachment(data, maintype=major, subtype=minor, filename=name)
    return mail.as_bytes()


ICS = b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Team\r\nDTSTART:20261123T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR"
FILES = (("text/calendar", "i.ics", ICS), ("application/pdf", "t.pdf", pdf("Gate 7")), ("text/csv", "a.csv", b"a,b"))


def test_raw_and_parsed_read_the_same() -> None:
    raw = message()
    raw_mail = mail_with(*FILES, ("message/rfc822", "m.eml", b"Room 12"))
    inner = b"From: mara@example.com\r\nSubject: Room\r\n\r\nRoom 12"
    attached = [
        Attachment(kind, name, len(data), data) for kind, name, data in (*FILES, ("message/rfc822", "m.eml", inner))
    ]
    whole = prepare(replace(raw, content=Content(mime=base64.b64encode(raw_mail).decode())), read)
    parsed = prepare(message(*attached), read)
    assert whole.text == parsed.text
    assert whole.attached == parsed.attached
    assert "[Invitation: Team" in whole.text
    assert "Room 12" in whole.text
    assert "Attachment: t.pdf (1 page)\nGate 7" in whole.attached


def test_a_reading_is_clean() -> None:
    assert Reading("a\x00b\u202ec").text == "abc"
