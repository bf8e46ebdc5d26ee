"""From a group to the exact request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integration_app.model import Attachment, Content, PreparedText
from integration_app.pipeline.delivery.compose import compose, parts_of, split
from integration_app.pipeline.delivery.group import Group, lane_of, plan
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.pipeline.rules import Rules
from tests.unit.factories import NOW, message, texts, waiting


def group_of(*items: object) -> Group:
    return Group(lane_of(items[0]), tuple(items), NOW)  # type: ignore[arg-type]


def test_texts_become_blocks_of_the_user() -> None:
    (group,) = plan(texts("Landed.", "Room 12."), {}, Rules())
    body = compose(group).body
    assert body["text"] == "Me: Landed.\n\nMe: Room 12."
    assert (body["text_source"], body["text_source_spec"]) == ("message", "sms")


def test_other_peoples_words_stand_under_their_name() -> None:
    (group,) = plan([waiting(1, message("Call me", speaker="Forwarded"))], {}, Rules())
    assert compose(group).body["text"] == "Forwarded: Call me"


def test_times_are_aware_and_in_order_with_unique_microseconds() -> None:
    (group,) = plan(texts("a", "b", gap=10), {}, Rules())
    request = compose(group)
    assert request.body["started_at"] == "2026-11-20T08:00:00.000001+00:00"
    assert request.started_at.isoformat() == request.body["started_at"]
    assert request.body["finished_at"] == "2026-11-20T08:00:10.000500+00:00"


def test_nothing_is_finished_before_it_started() -> None:
    body = compose(group_of(waiting(999_999, message("a")))).body
    assert body["finished_at"] == body["started_at"] == "2026-11-20T08:00:00.999999+00:00"


@pytest.mark.parametrize("source", ["other_text", "message"])
def test_the_source_of_mails_is_a_setting(source: str) -> None:
    body = compose(group_of(waiting(1, message("Hi", channel="email"))), mail_source=source).body
    assert (body["text_source"], body["text_source_spec"]) == (source, "email")


def test_a_mail_has_a_short_head() -> None:
    mail = message(
        "Seven works.",
        channel="email",
        sender="ana@example.com",
        sender_name="Ana Pérez",
        content=Content(
            text="Seven works.", subject="Café menü ☕", attachments=(Attachment("application/pdf", "a.pdf", 12000),)
        ),
    )
    body = compose(group_of(waiting(1, mail))).body
    assert body["text"] == (
        "From: Ana Pérez <ana@example.com>\nSubject: Café menü ☕\nDate: Fri, 20 Nov 2026 08:00 UTC\n\n"
        "Seven works.\n[Attachment: a.pdf, application/pdf, 12 kB]"
    )
    assert (body["text_source"], body["text_source_spec"]) == ("other_text", "email")


def test_a_mail_is_dated_by_its_date_when_that_is_believable() -> None:
    for age, believed in ((timedelta(hours=2), True), (timedelta(days=400), False), (-timedelta(hours=3), False)):
        mail = message("x", channel="email", sent_at=NOW - age)
        started = datetime.fromisoformat(compose(group_of(waiting(1, mail))).body["started_at"])
        assert (started.replace(microsecond=0) == (NOW - age).replace(microsecond=0)) is believed


def test_memories_are_explicit_with_null_text_tags_and_the_providers_id() -> None:
    item = waiting(1, message("remember: the key is with Mara #home", event_id="SM1"))
    assert compose(group_of(item)).body == {
        "text": None,
        "memories": [{"content": "the key is with Mara", "tags": ["home"], "source_id": "SM1"}],
        "text_source": "other",
        "text_source_spec": "sms",
    }


def test_memories_from_a_mail_say_so() -> None:
    item = waiting(1, message("remember: x y", channel="email"))
    assert compose(group_of(item)).body["text_source"] == "email"


def test_a_long_memory_is_left_to_omi() -> None:
    """Fragments of 500 characters are no facts: greeting, footer and terms would stand in every prompt."""
    long = "The flight to Lisbon leaves at 09:40. " * 40
    body = compose(group_of(waiting(1, message(f"remember: {long}")))).body
    assert (body["text"], body["text_source"]) == (long.strip(), "other")
    assert "memories" not in body or not body["memories"]


def test_a_text_that_is_too_long_becomes_parts_at_paragraph_borders_and_nothing_is_lost() -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 400 for number in range(120)]
    parts = parts_of(prepare(message("\n\n".join(paragraphs))))
    assert [(part.part, part.parts) for part in parts] == [(1, 3), (2, 3), (3, 3)]
    bodies = [compose(group_of(waiting(1, message("x"), part))).body["text"] for part in parts]
    assert all(len(body) <= 100_000 for body in bodies)
    assert bodies[1].startswith("Me: [Part 2 of 3]\n\nParagraph ")
    assert "\n\n".join(part.text for part in parts).split() == " ".join(paragraphs).split()


def test_a_text_that_just_fits_stays_whole() -> None:
    whole = "x" * 99_600
    (only,) = parts_of(prepare(message(whole)))
    assert compose(group_of(waiting(1, message(whole), only))).body["text"] == f"Me: {whole}"


def test_a_call_is_an_audio_transcript() -> None:
    call = [waiting(1, message("Hi", channel="call")), waiting(2, message("Yes?", channel="call", speaker="Mara"))]
    body = compose(group_of(*call)).body
    assert (body["text_source"], body["text_source_spec"]) == ("audio_transcript", "phone_call")
    assert body["text"] == "Me: Hi\n\nMara: Yes?"


def test_the_users_language_goes_along_unless_the_event_names_one() -> None:
    assert compose(group_of(waiting(1, message("Olá"))), language="pt").body["language"] == "pt"


def test_an_empty_group_text_is_refused() -> None:
    item = waiting(1, message("x"), PreparedText("", lane_of(waiting(1, message("x"))).kind, head="  "))
    with pytest.raises(ValueError, match="text must not be empty"):
        compose(group_of(item))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("short", ["short"]),
        ("one two three", ["one two", "three"]),
        ("aaaa\n\nbbbb", ["aaaa", "bbbb"]),
        ("Yes sir. No", ["Yes sir.", "No"]),
        ("abcdefghijkl", ["abcdefgh", "ijkl"]),
    ],
)
def test_text_is_split_at_the_best_border(text: str, pieces: list[str]) -> None:
    assert split(text, 8) == pieces


def test_started_at_is_utc() -> None:
    assert compose(group_of(waiting(1, message("a")))).started_at.tzinfo is UTC
