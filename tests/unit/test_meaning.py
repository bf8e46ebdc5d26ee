"""What a mail means: forwards, dates in many languages, invitations, mail that nobody wrote, words for rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_app.mail.forwards import forward_of
from integration_app.mail.headers import automatic_cause
from integration_app.model import Attachment, Content, Installation, InstallationState, Kind, Preferences
from integration_app.pipeline.delivery.for_user import for_user
from integration_app.pipeline.delivery.prepare import prepare, said_at
from integration_app.text.calendar import invitations
from integration_app.text.dates import read_date
from tests.unit.factories import NOW, message

TOKEN = "abcdefghij234567"


def told_of(calendar: str) -> str | None:
    return next(iter(invitations(calendar)), None)


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


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("May 5, 2026 at 8:05 AM PDT", 15),
        ("November 16, 2026 at 9:05:33 AM EST", 14),
        ("16 November 2026 at 21:05:33 CEST", 19),
        ("16/11/2026 21:05 (GMT+01:00)", 20),
        ("Monday, November 16, 2026 21:05 (UTC+01:00)", 20),
        ("16 Nov 2026 21:05 (CET)", 20),
        ("2026-11-16T21:05:00Z", 21),
        ("2026-11-16T21:05:00+02:00", 19),
        ("16 בנוב׳ 2026 ב-21:05", 20),
        ("16 thg 11, 2026 vào lúc 21:05", 20),
    ],
)
def test_zones_and_odd_words_of_mail_programs(text: str, hour: int) -> None:
    found = read_date(text, zone=timezone(timedelta(hours=1)))
    assert found is not None
    assert found.hour == hour


@pytest.mark.parametrize(
    "text", ["16 Nov 2026 21:05 XYZT", "", "3/4/2026 10:00", "tomorrow", "99.99.2026", "16 Nov", "2026", "Nov 2026 x"]
)
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


def test_contact_lines_above_a_forward_are_words() -> None:
    found = forward_of("Please call\nMail: bob@corp.example\nDate: 1 December 2026 10:00\nRoom: 5\n\n" + GMAIL)
    assert found is not None
    assert found.original.address == "sam@example.org"
    assert "Room: 5" in found.note
    assert forward_of("Contact me at: foo@bar.example\nDate: 2026-05-05\nPlace: here\n") is None


def test_a_forward_without_an_address_below_a_rule() -> None:
    found = forward_of(
        "See below.\n________________________________\nFrom: Ana Silva\nSent: Monday, November 16, 2026 9:14 AM\n"
        "To: Team\nSubject: Offer\n\nThe offer stands."
    )
    assert found is not None
    assert (found.original.name, found.original.subject, found.note) == ("Ana Silva", "Offer", "See below.")
    assert found.text == "The offer stands."


def test_what_a_phone_quotes_is_unquoted() -> None:
    found = forward_of(
        "Begin forwarded message:\n\n> From: Sam <sam@example.org>\n> Date: 16 November 2026 at 09:14:00 GMT\n"
        "> Subject: **Dinner**\n> \n> At seven.\n> Bring salt."
    )
    assert found is not None
    assert (found.text, found.original.subject) == ("At seven.\nBring salt.", "Dinner")


def test_an_answer_in_a_thread_with_a_forward_is_only_the_answer() -> None:
    text = "I agree, book it.\n\nOn Mon, Nov 16, 2026 at 9:14 AM Bob <bob@example.org> wrote:\n\n" + "".join(
        f"> {line}\n" for line in GMAIL.splitlines()
    )
    mail = message(
        "", channel="email", content=Content(text=text, subject="RE: Trip", headers=(("in-reply-to", "<1>"),))
    )
    prepared = prepare(mail)
    assert prepared.text == "I agree, book it."
    assert "Forwarded by" not in (prepared.head or "")


def test_an_outlook_forward_in_html_keeps_what_was_forwarded() -> None:
    html = (
        "<div>See</div><div id=appendonsend></div><div id=divRplyFwdMsg><b>From:</b> Ana &lt;ana@example.org&gt;<br>"
        "<b>Sent:</b> Monday, November 16, 2026 9:14 AM<br><b>To:</b> Me<br><b>Subject:</b> Trip</div><div>Gate 12</div>"
    )
    mail = message("", channel="email", content=Content(html=html, subject="FW: Trip"))
    prepared = prepare(mail)
    assert "Gate 12" in prepared.text
    assert (prepared.head or "").startswith("From: Ana <ana@example.org>\nSubject: Trip")


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
        (
            "BEGIN:VEVENT\nSUMMARY:Holiday\nDTSTART;VALUE=DATE:20261201\nDTEND;VALUE=DATE:20261208\nEND:VEVENT",
            "[Event: Holiday, Tue 01 Dec 2026 – Mon 07 Dec 2026, all day]",
        ),
        ("BEGIN:VEVENT\nDTSTART:soon\nEND:VEVENT", "[Event: (no title)]"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", None),
        ("", None),
    ],
)
def test_an_invitation_is_one_line(text: str, expected: str | None) -> None:
    assert told_of(text) == expected


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


@pytest.mark.parametrize(
    ("subject", "text", "expected", "tags"),
    [
        ("Spare key is with Mara", "remember:", "Spare key is with Mara", ()),
        ("Spare key is with Mara", "remember: #home", "Spare key is with Mara", ("home",)),
        ("Hi", "remember: the locker is #B12", "the locker is B12", ("b12",)),
        ("Hi", "remember: https://example.com/s?q=#results is nice", "https://example.com/s?q=#results is nice", ()),
    ],
)
def test_a_memory_loses_no_words(subject: str, text: str, expected: str, tags: tuple[str, ...]) -> None:
    prepared = prepare(message("", channel="email", content=Content(text=text, subject=subject)))
    assert (prepared.kind, prepared.text, prepared.tags) == (Kind.MEMORIES, expected, tags)


def test_a_memory_of_an_attachment_alone_keeps_the_subject() -> None:
    attached = Content(subject="Passport renewal", attachments=(Attachment("application/pdf", "scan.pdf"),))
    mail = message("", channel="email", content=attached, recipients=(f"{TOKEN}@x", f"{TOKEN}+memory@x"))
    prepared = for_user(prepare(mail), mail, installation())
    assert (prepared.kind, prepared.text.split("\n")[0]) == (Kind.MEMORIES, "Passport renewal")


def test_an_invitation_is_wanted_although_a_calendar_sent_it() -> None:
    def header(name: str) -> str:
        return {"auto-submitted": "auto-generated"}.get(name, "")

    assert automatic_cause(header, sender="a@b.co", envelope_from=None, invites=True) is None
    assert automatic_cause(header, sender="a@b.co", envelope_from=None) is not None
