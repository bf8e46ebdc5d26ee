"""What an attack on the reading of mails found: words lost, work without a bound. Each case is one that broke."""

from __future__ import annotations

import base64
import random
import time

import pytest

from integration_app.attachments.documents import read_document
from integration_app.attachments.plain import words_of
from integration_app.mail.bodies import choose_body
from integration_app.mail.mime import read_mail
from integration_app.model import Attachment, Content, InboundMessage, Route
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.text.calendar import invitations
from integration_app.text.kinds import FileKind, kind_of_file
from tests.unit.factories import NOW
from tests.unit.test_attachments import odt, zipped

HEAD = b"From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\n"


def mixed(*parts: bytes) -> bytes:
    body = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts)
    return HEAD + b'Content-Type: multipart/mixed; boundary="B"\r\n\r\n' + body + b"--B--\r\n"


BOMB = b"Content-Type: message/rfc822\r\n\r\n" * 3000


def test_a_hostile_attached_mail_takes_nothing_with_it() -> None:
    raw = mixed(b"Content-Type: text/plain\r\n\r\nOwn words", b"Content-Type: message/rfc822\r\n\r\n" + BOMB)
    assert read_mail(raw).text.startswith("Own words")
    content = Content(text="Own words", attachments=(Attachment("message/rfc822", "m.eml", len(BOMB), BOMB),))
    message = InboundMessage("any", "e", ("k",), "email", Route.RECIPIENT, "a@example.com", NOW, content)
    assert "Own words" in prepare(message).text


HTML = "<div>x<br>" * 15_000
BOUNDED: dict[str, bytes] = {
    "attributes": HEAD
    + b"Content-Type: text/html\r\n\r\n<p "
    + b" ".join(b"a%d=1" % n for n in range(150_000))
    + b">Hi</p>",
    "many html parts": mixed(*[b"Content-Type: text/html\r\n\r\n" + HTML.encode()] * 40),
    "many plain parts": mixed(*[b"Content-Type: text/plain\r\n\r\n" + b"a b wrote:\n> x\n" * 9_000] * 50),
    "multipart bomb": HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\n\nx\n" * 400_000,
    "heads": HEAD + b"In-Reply-To: <x>\r\n\r\n" + b"From: a@example.com\nSent: x\nTo: y\n" * 7_000,
}


@pytest.mark.parametrize("name", BOUNDED)
def test_work_is_bounded_whatever_a_mail_holds(name: str) -> None:
    begun = time.thread_time()
    read_mail(BOUNDED[name])
    # CPU time of this thread; the worst took 149 s before there was a bound, and a slow machine is given ten times what it takes
    assert time.thread_time() - begun < 20


@pytest.mark.parametrize(
    ("plain", "kept"),
    [
        ("The contract says the following\n\n> we will pay\n> on Friday", "on Friday"),
        ("Run this\n\n> cd x\n> make", "make"),
        (
            "Please send:\n\nFrom: me <a@example.com>\nTo: c@example.com\nSubject: Holiday\nDate: 16.11.2026 09:14\n\nDear Carl",
            "Dear Carl",
        ),
        ("Items so far\n-- \nplease also buy milk, eggs and bread", "eggs"),
        ("<div> is the tag you need, not <span>. Use <p> here.", "not <span>"),
        (
            "See my answers below in blue\n\nFrom: A <a@example.com>\nSent: Monday, November 16, 2026 9:14 AM\nTo: b\n"
            "Subject: x\n\nShall we?\nYes, at seven",
            "at seven",
        ),
    ],
)
def test_own_words_are_kept(plain: str, kept: str) -> None:
    assert kept in choose_body(plain, None, subject="Re: x", is_reply=True).text


def test_an_indented_passage_is_the_writers() -> None:
    html = 'OWN the list<blockquote style="margin:0 0 0 40px;border:none">one, two</blockquote>'
    assert choose_body(None, html, subject="Re: x", is_reply=True).text == "OWN the list\none, two"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Content-Type: multipart/mixed; boundary=nowhere\r\n\r\nOwn words\r\n",
        HEAD + b"Content-Type: multipart/mixed\r\n\r\nOwn words\r\n",
        HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\nOwn words\r\n--B--\r\n",
    ],
    ids=["boundary nowhere", "no boundary", "preamble only"],
)
def test_a_broken_multipart_keeps_its_words(raw: bytes) -> None:
    assert "Own words" in read_mail(raw).text


def test_what_is_left_out_is_said() -> None:
    raw = mixed(*[b"Content-Type: text/plain\r\n\r\nx"] * 400)
    assert "more parts were left out]" in read_mail(raw).text


def test_every_event_is_told_with_its_description() -> None:
    event = "BEGIN:VEVENT\nSUMMARY:{}\nDTSTART:20261123T100000Z\nDURATION:PT1H\nDESCRIPTION:Dial in\\nhttps://x.example\nEND:VEVENT\n"
    found = invitations(f"BEGIN:VCALENDAR\n{event.format('One')}{event.format('Two')}END:VCALENDAR")
    assert [line.split(",")[0] for line in found] == ["[Event: One", "[Event: Two"]
    assert found[0].endswith("10:00–11:00 (UTC)]\nDial in\nhttps://x.example")


CELL = "<b:table><b:table-row><b:table-cell><t:list><t:list-item><t:p>Milk</t:p></t:list-item></t:list></b:table-cell></b:table-row></b:table>"
W = 'xmlns:w="urn:w" xmlns:m="urn:m"'


def word(body: str, name: str = "word/document.xml") -> bytes:
    return zipped(**{name: f"<w:document {W}><w:body>{body}</w:body></w:document>"})


DOCUMENTS: dict[str, tuple[FileKind, bytes, str]] = {
    "a list in a cell": (FileKind.OPEN_TEXT, odt(CELL), "Milk"),
    "a content control": (
        FileKind.WORD,
        word("<w:tbl><w:tr><w:sdt><w:sdtContent><w:tc><w:p><w:r><w:t>A</w:t></w:r></w:p></w:tc></w:sdtContent></w:sdt></w:tr></w:tbl>"),
        "A",
    ),
    "two paragraphs in a cell": (
        FileKind.WORD,
        word("<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Milk</w:t></w:r></w:p><w:p><w:r><w:t>Eggs</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"),
        "Milk Eggs",
    ),
    "a hyphen": (FileKind.WORD, word("<w:p><w:r><w:t>COVID</w:t><w:noBreakHyphen/><w:t>19</w:t></w:r></w:p>"), "COVID-19"),
    "another main part": (FileKind.WORD, word("<w:p><w:r><w:t>Hi</w:t></w:r></w:p>", "word/document2.xml"), "Hi"),
    "moved text": (FileKind.WORD, word("<w:p><w:moveFrom><w:r><w:t>old</w:t></w:r></w:moveFrom><w:r><w:t>new</w:t></w:r></w:p>"), "new"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_as_programs_write_them(name: str) -> None:
    kind, data, words = DOCUMENTS[name]
    assert read_document(kind, data).text == words


def test_a_locked_office_file_says_so() -> None:
    assert "locked" in read_document(FileKind.WORD, b"\xd0\xcf\x11\xe0" + bytes(500)).why_not


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (
            "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCl=\n=6Cer;Bob\nEND:VCARD",
            "Name: Bob Müller",
        ),
        ('BEGIN:VCARD\nFN:Ana\nTEL;TYPE="a:b":+15550001111\nEND:VCARD', "Name: Ana\nPhone: +15550001111"),
        (
            "BEGIN:VCARD\nFN:A\nTEL:1\nEND:VCARD\nBEGIN:VCARD\nFN:B\nTEL:1\nEND:VCARD",
            "Name: A\nPhone: 1\n\nName: B\nPhone: 1",
        ),
    ],
)
def test_cards(card: str, words: str) -> None:
    assert words_of(FileKind.CARD, card.encode()) == words


def test_text_with_a_mark_of_its_encoding() -> None:
    assert words_of(FileKind.TEXT, "Grüße, 12 €".encode("utf-16")) == "Grüße, 12 €"


@pytest.mark.parametrize("name", ["notes 1.2", "Meeting with Dr. Smith"])
def test_a_dot_is_not_always_an_ending(name: str) -> None:
    assert kind_of_file("text/plain", name) is FileKind.TEXT


def test_softly_broken_lines_are_joined() -> None:
    raw = HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\nOne long \r\nline\r\nand another\r\n"
    assert read_mail(raw).text.replace("\r", "").strip() == "One long line\nand another"


def test_an_attachment_in_one_line_of_base64_arrives_whole() -> None:
    data = random.Random(1).randbytes(6_000_000)  # noqa: S311
    head = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b\r\n"
    part = b"Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    mail = read_mail(head + part + base64.b64encode(data) + b"\r\n--b--\r\n")
    assert mail.text == "hi"
    assert [attachment.data == data for attachment in mail.attachments] == [True]
