"""What a mail means: forwards, dates in many languages, invitations, mail that nobody wrote, words for rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_app.mail.automatic import automatic_cause
from integration_app.mail.calendar import invitation
from integration_app.mail.dates import read_date
from integration_app.mail.forwards import forward_of
from integration_app.model import Content, Installation, InstallationState, Kind, Preferences
from integration_app.pipeline.prepare import for_user, prepare, said_at
from tests.unit.making import NOW, message

TOKEN = "abcdefghij234567"


# --- dates ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Mon, 16 Nov 2026 09:14:00 +0000",
        "Mon, Nov 16, 2026 at 9:14 AM",
        "Monday, November 16, 2026 9:14 AM",
        "Montag, 16. November 2026 09:14",
        "16.11.2026 09:14",
        "lundi 16 novembre 2026 à 09:14",
        "lunes, 16 de noviembre de 2026 9:14",
        "lun, 16 nov 2026 a las 9:14",
        "segunda-feira, 16 de novembro de 2026 09:14",
        "lunedì 16 novembre 2026 09:14",
        "maandag 16 november 2026 09:14",
        "den 16 november 2026 09:14",
        "mandag 16. november 2026 09.14",
        "maanantai 16. marraskuuta 2026 9.14",
        "poniedziałek, 16 listopada 2026 09:14",
        "понедельник, 16 ноября 2026 г. 9:14",
        "16 Kasım 2026 Pazartesi 09:14",
        "2026年11月16日(月) 9:14",
        "2026年11月16日 上午9:14",
        "2026년 11월 16일 오전 9:14",
        "2026-11-16 09:14",
        "11/16/2026 9:14 AM",
        "16/11/2026 09:14",
    ],
)
def test_dates_of_many_mail_programs(text: str) -> None:
    assert read_date(text) == datetime(2026, 11, 16, 9, 14, tzinfo=UTC)


def test_an_afternoon_a_zone_and_a_weekday_that_is_a_month() -> None:
    assert read_date("Nov 16, 2026, 9:14 PM", zone=timezone(timedelta(hours=1))) == datetime(
        2026, 11, 16, 20, 14, tzinfo=UTC
    )
    assert read_date("mar. 17 nov. 2026 à 09:14") == datetime(2026, 11, 17, 9, 14, tzinfo=UTC)
    assert read_date("2026年11月16日 下午9:14") == datetime(2026, 11, 16, 21, 14, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "3/4/2026 10:00", "tomorrow", "99.99.2026", "16 Nov", "2026", "Nov 2026 x"])
def test_what_names_no_single_day_is_no_date(text: str) -> None:
    assert read_date(text) is None


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    found = read_date(text)
    assert found is None or found.tzinfo is UTC


# --- forwards ---------------------------------------------------------------------------------------------------

GMAIL = """FYI, for the file.

---------- Forwarded message ---------
From: Sam Okafor <sam@example.org>
Date: Mon, Nov 16, 2026 at 9:14 AM
Subject: The lease
To: Ana <ana@example.com>

The lease ends in May.
"""
OUTLOOK_DE = """
Von: Sam Okafor <sam@example.org>
Gesendet: Montag, 16. November 2026 09:14
An: Ana <ana@example.com>
Betreff: Der Mietvertrag

Er endet im Mai.
"""


def test_a_forward_is_taken_apart() -> None:
    found = forward_of(GMAIL)
    assert found is not None
    assert found.note == "FYI, for the file."
    assert found.text == "The lease ends in May."
    assert (found.original.name, found.original.address) == ("Sam Okafor", "sam@example.org")
    assert found.original.subject == "The lease"
    assert found.original.date == datetime(2026, 11, 16, 9, 14, tzinfo=UTC)


def test_a_forwarded_mail_keeps_whose_it_is_and_from_when() -> None:
    for text, subject in ((GMAIL, "Fwd: The lease"), (OUTLOOK_DE, "WG: Der Mietvertrag")):
        mail = message("", channel="email", sender="ana@example.com", content=Content(text=text, subject=subject))
        prepared = prepare(mail)
        assert prepared.head is not None
        lines = prepared.head.split("\n")
        assert lines[0] == "From: Sam Okafor <sam@example.org>"
        assert lines[1] == f"Subject: {subject.partition(': ')[2]}"
        assert lines[2] == "Date: Mon, 16 Nov 2026 09:14 UTC"
        assert lines[3] == "Forwarded by: ana@example.com"
        assert said_at(mail, prepared) == datetime(2026, 11, 16, 9, 14, tzinfo=UTC)


def test_a_date_that_cannot_be_is_not_believed() -> None:
    for year in ("2031", "1999"):
        mail = message(
            "", channel="email", content=Content(text=GMAIL.replace("2026", year), subject="Fwd: x"), sender="a@b.co"
        )
        assert said_at(mail, prepare(mail)) == NOW


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=st.sampled_from("abc:@<>. -*\n\r12026"), max_size=300))
def test_no_text_breaks_a_forward(text: str) -> None:
    forward_of("---------- Forwarded message ---------\n" + text)


# --- invitations ------------------------------------------------------------------------------------------------

INVITE = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
DTSTART;TZID=Europe/Lisbon:20261123T100000
DTEND;TZID=Europe/Lisbon:20261123T110000
SUMMARY:Team sync\\, weekly
LOCATION:Room 4
ORGANIZER;CN="Ana Pérez":mailto:ana@example.com
RRULE:FREQ=WEEKLY;BYDAY=MO
BEGIN:VALARM
SUMMARY:wrong
END:VALARM
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            INVITE,
            "[Invitation: Team sync, weekly, Mon 23 Nov 2026 10:00–11:00 (Europe/Lisbon), Room 4, every week, "
            "from Ana Pérez <ana@example.com>]",
        ),
        (
            INVITE.replace("REQUEST", "CANCEL").replace("\n", "\r\n"),
            "[Cancelled: Team sync, weekly, Mon 23 Nov 2026 10:00–11:00 (Europe/Lisbon), Room 4, every week, "
            "from Ana Pérez <ana@example.com>]",
        ),
        (
            "BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nSUMMARY:Lunch\nDTSTART:20261124T120000Z\n"
            "ATTENDEE;PARTSTAT=ACCEPTED;CN=Sam:mailto:sam@example.com\nEND:VEVENT\nEND:VCALENDAR",
            "[Answer to an invitation: Lunch, Tue 24 Nov 2026 12:00 (UTC), Sam <sam@example.com>: accepted]",
        ),
        (
            "BEGIN:VEVENT\nSUMMARY:A long\n  title\nDTSTART;VALUE=DATE:20261225\nEND:VEVENT",
            "[Event: A long title, Fri 25 Dec 2026, all day]",
        ),
        ("BEGIN:VEVENT\nDTSTART:soon\nEND:VEVENT", "[Event: (no title)]"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", None),
        ("", None),
    ],
)
def test_an_invitation_is_one_line(text: str, expected: str | None) -> None:
    assert invitation(text) == expected


# --- nobody wrote it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "envelope_from", "automatic"),
    [
        ({}, "ana@example.com", False),
        ({}, None, False),
        ({}, "", True),
        ({}, "mailer-daemon@example.com", True),
        ({"auto-submitted": "no"}, None, False),
        ({"auto-submitted": "auto-replied; owner=x"}, None, True),
        ({"precedence": "BULK"}, None, True),
        ({"precedence": "first-class"}, None, False),
        ({"list-id": "<x.example.com>"}, None, True),
        ({"list-unsubscribe": "<https://example.com>"}, None, False),
        ({"content-type": "multipart/report; report-type=delivery-status"}, None, True),
    ],
)
def test_mail_that_nobody_wrote(headers: dict[str, str], envelope_from: str | None, automatic: bool) -> None:
    cause = automatic_cause(lambda name: headers.get(name, ""), sender="ana@example.com", envelope_from=envelope_from)
    assert (cause is not None) is automatic


# --- rules that a phone user understands ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("remember: the key is with Mara", Kind.MEMORIES, "the key is with Mara"),
        ("Note: a thought", Kind.CONVERSATION, "a thought"),
        ("todo: buy milk", Kind.CONVERSATION, "To do: buy milk"),
        ("To-do: buy milk", Kind.CONVERSATION, "To do: buy milk"),
        ("noted: x", Kind.CONVERSATION, "noted: x"),
    ],
)
def test_words_in_front(text: str, kind: Kind, expected: str) -> None:
    prepared = prepare(message(text))
    assert (prepared.kind, prepared.text) == (kind, expected)


def installation(import_as: Kind | None = None) -> Installation:
    return Installation("u", InstallationState.ENABLED, NOW, TOKEN, preferences=Preferences(import_as=import_as))


@pytest.mark.parametrize(
    ("address", "text", "import_as", "kind"),
    [
        (f"{TOKEN}@in.example.com", "Hello", None, Kind.CONVERSATION),
        (f"{TOKEN}@in.example.com", "Hello", Kind.MEMORIES, Kind.MEMORIES),
        (f"{TOKEN}+memory@in.example.com", "Hello", None, Kind.MEMORIES),
        (f"{TOKEN}+note@in.example.com", "Hello", Kind.MEMORIES, Kind.CONVERSATION),
        (f"{TOKEN}+memory@in.example.com", "note: Hello", None, Kind.CONVERSATION),
        (f"account+{TOKEN}+memory@inbound.example.com", "Hello", None, Kind.MEMORIES),
        ("anotherabcdefgh2+memory@in.example.com", "Hello", None, Kind.CONVERSATION),
        (f"{TOKEN}+x@in.example.com", "Hello", None, Kind.CONVERSATION),
    ],
)
def test_the_text_is_asked_then_the_address_then_the_user(
    address: str, text: str, import_as: Kind | None, kind: Kind
) -> None:
    mail = message("", channel="email", content=Content(text=text, subject="Hi"), recipients=(address,))
    assert for_user(prepare(mail), mail, installation(import_as)).kind is kind


def test_a_memory_of_a_subject_alone_keeps_its_words_and_tags() -> None:
    mail = message("", channel="email", content=Content(subject="Milk is out #home"), recipients=(f"{TOKEN}+memory@x",))
    prepared = for_user(prepare(mail), mail, installation())
    assert (prepared.text, prepared.tags) == ("Milk is out", ("home",))


def test_remember_in_the_subject() -> None:
    mail = message("", channel="email", content=Content(subject="Remember: the key is with Mara #keys"))
    prepared = prepare(mail)
    assert (prepared.kind, prepared.text, prepared.tags) == (Kind.MEMORIES, "the key is with Mara", ("keys",))
