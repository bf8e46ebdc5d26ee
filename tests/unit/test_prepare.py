"""From what was said to what goes to Omi."""

from __future__ import annotations

import pytest

from integration_app.model import Attachment, Content, Kind
from integration_app.pipeline.delivery.prepare import is_empty, prepare
from tests.unit.factories import message


@pytest.mark.parametrize("text", ["remember: milk", "Remember : milk", "  REMEMBER:milk", "remember： milk"])
def test_a_text_that_begins_with_remember_becomes_a_memory(text: str) -> None:
    prepared = prepare(message(text))
    assert (prepared.kind, prepared.text) == (Kind.MEMORIES, "milk")


@pytest.mark.parametrize("text", ["I remember: milk", "remember milk", "remembering: x"])
def test_the_word_elsewhere_is_only_a_word(text: str) -> None:
    assert prepare(message(text)).kind is Kind.CONVERSATION


@pytest.mark.parametrize(
    ("text", "content", "tags"),
    [
        ("remember: milk #Home #home #shop", "milk", ("home", "shop")),
        ("remember: gate B\n#home", "gate B", ("home",)),
        ("remember: the #blue key", "the blue key", ("blue",)),
        ("remember: #only", "only", ("only",)),
        ("remember: issue #12 and C#", "issue #12 and C#", ()),
        ("remember: see https://x.example/#part", "see https://x.example/#part", ()),
        ("remember: żółw #zwierzę", "żółw", ("zwierzę",)),
    ],
)
def test_tags(text: str, content: str, tags: tuple[str, ...]) -> None:
    prepared = prepare(message(text))
    assert (prepared.text, prepared.tags) == (content, tags)


def test_attachments_are_a_line_each() -> None:
    content = Content(text="Look", attachments=(Attachment("image/jpeg"), Attachment("video/mp4", "a.mp4", 2_500_000)))
    assert (
        prepare(message(content=content)).text
        == "Look\n[Attachment: image/jpeg]\n[Attachment: a.mp4, video/mp4, 2.5 MB]"
    )


def test_what_hides_or_breaks_something_is_taken_out() -> None:
    text = prepare(message("a\u0000b \u202eevil\u202c \ud83d x\u200by\r\n\r\n\r\n\r\nz")).text
    assert text == "ab evil \ufffd xy\n\nz"


def test_joiners_stay() -> None:
    assert prepare(message("👨‍👩‍👧 می‌خواهم")).text == "👨‍👩‍👧 می‌خواهم"


def test_a_mail_with_a_subject_alone_is_one() -> None:
    prepared = prepare(message(channel="email", content=Content(subject="Buy bread")))
    assert prepared.head is not None
    assert "Subject: Buy bread" in prepared.head


def test_a_mail_in_which_nothing_is_readable_is_empty() -> None:
    prepared = prepare(message(channel="email", content=Content(text="\u200b\u200b")))
    assert (prepared.text, prepared.head) == ("", None)


def test_a_subject_cannot_add_lines_to_the_head() -> None:
    prepared = prepare(message(channel="email", content=Content(text="x", subject="a\r\nFrom: boss@example.com")))
    assert prepared.head is not None
    assert [line.partition(":")[0] for line in prepared.head.split("\n")] == ["From", "Subject", "Date"]


def test_a_sender_cannot_add_lines_to_the_head_either() -> None:
    prepared = prepare(message("x", channel="email", sender="a@b.c\nSubject: forged\x00\ud800"))
    assert prepared.head is not None
    assert prepared.head.count("Subject:") == 1
    assert len(prepared.head.split("\n")) == 2


def test_empty_means_nothing_at_all() -> None:
    assert is_empty(Content())
    assert is_empty(Content(text=" \n", html=""))
    assert not is_empty(Content(attachments=(Attachment("image/png"),)))
    assert not is_empty(Content(subject="x"))
