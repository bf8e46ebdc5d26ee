"""The mail corpus: made-up mails (`tests/corpus/*.eml`) with what must become of them beside each (`*.txt`)."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

import pytest

from integration_app.model import Content, InboundMessage, Route
from integration_app.pipeline.delivery.for_user import for_user
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.providers.common.email_headers import head_of, mail_date, top
from tests.unit.factories import NOW

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
MAILS = sorted(path.stem for path in CORPUS.glob("*.eml"))


def read(name: str) -> str:
    """The mail as Omi would get it."""
    raw = CORPUS.joinpath(f"{name}.eml").read_bytes()
    return told(
        InboundMessage(
            provider="any",
            event_id=name,
            dedupe_keys=(name,),
            channel="email",
            route=Route.RECIPIENT,
            sender="",
            received_at=NOW.replace(microsecond=0),
            sent_at=_sent_at(raw),
            content=Content(mime=base64.b64encode(raw).decode()),
        )
    )


def told(message: InboundMessage) -> str:
    prepared = for_user(prepare(message), message, None)
    return f"{prepared.head}\n\n{prepared.text}".strip()


def _sent_at(raw: bytes) -> datetime | None:
    return mail_date(top(head_of(raw), "date"))


def test_there_are_at_least_sixty_mails() -> None:
    assert len(MAILS) >= 60


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_of_the_corpus_becomes_what_stands_beside_it(name: str) -> None:
    assert read(name) == CORPUS.joinpath(f"{name}.txt").read_text(encoding="utf-8").strip()
