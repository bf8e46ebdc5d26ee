"""What is made small at rest comes back as it was: events of stories, and what is sealed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_app.model import Reason, Trust, Unknown, Verdict, lifecycle
from integration_app.store import compression, stories, vault
from integration_app.store.vault import Vault

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - a zone is added
NAMES = st.text(min_size=1, max_size=60).filter(lambda name: "\x00" not in name)
WORDS = st.one_of(st.sampled_from(stories._WORDS), st.text(max_size=30))
REASONS = st.one_of(st.sampled_from([reason.sentence for reason in Reason]), st.text(max_size=40))


@st.composite
def settled(draw: Any) -> lifecycle.Settled:
    return lifecycle.Settled(
        at=draw(MOMENTS), uid=draw(st.none() | NAMES), state=draw(st.sampled_from(lifecycle.DeliveryState)),
        delivery=draw(st.text(max_size=20)), kind=draw(WORDS), outcome=draw(WORDS),
        status=draw(st.none() | st.integers(100, 599)), seconds=draw(st.none() | st.floats(0, 300)),
        reason=draw(REASONS), cause=draw(st.sampled_from(["", "x", *(reason.key for reason in Reason)])),
        tried_at=draw(st.none() | MOMENTS), until=draw(st.none() | MOMENTS),
    )  # fmt: skip


@st.composite
def received(draw: Any) -> lifecycle.Received:
    uids = draw(st.lists(NAMES, max_size=4, unique=True))
    verdicts = st.builds(lambda level, why: {"level": level, "why": why}, WORDS, st.lists(WORDS, max_size=3))
    return lifecycle.Received(
        at=draw(MOMENTS), provider=draw(WORDS), channel=draw(WORDS), control=draw(st.none() | st.text(min_size=1)),
        uids=tuple(uids), trust={uid: draw(verdicts) for uid in uids} or None,
    )  # fmt: skip


@given(st.one_of(settled(), received()))
def test_an_event_comes_back_as_it_was(event: Any) -> None:
    names = [*([event.uid] if event.uid else ()), *getattr(event, "uids", ())]
    assert stories.load(stories.dump(event), names) == event


@given(st.one_of(settled(), received()))
def test_an_event_as_earlier_versions_wrote_it_reads_the_same(event: Any) -> None:
    before = json.dumps({"at": event.at.isoformat(), "uid": event.uid} | event.as_dict(), default=str)
    names = [*([event.uid] if event.uid else ()), *getattr(event, "uids", ())]
    assert stories.load(before, ()) == stories.load(stories.dump(event), names)


def test_a_verdict_stands_in_an_event_as_a_script_puts_it_there() -> None:
    verdict = Verdict(Trust.ALLOWED, ("sent from a linked phone", "and more"))
    start = stories.dump(lifecycle.Received(at=datetime(2026, 11, 27, tzinfo=UTC), provider="twilio", channel="sms"))
    raw = f'{start[:-1]},"U":["{stories.tag("a")}"],"T":[{stories.dump_verdict(verdict)}]}}'
    found = stories.load(raw, ["a", "b"])
    assert isinstance(found, lifecycle.Received)
    assert found.uids == ("a",)
    assert found.trust == {"a": {"level": "allowed", "why": ["sent from a linked phone", "and more"]}}


@pytest.mark.parametrize(
    "raw",
    [
        "{}",
        "[]",
        "7",
        "no json",
        '{"e":1}',
        '{"e":-99,"t":1}',
        '{"e":1,"t":"x"}',
        '{"e":2,"t":1,"T":5}',
        '{"e":[],"t":1e99}',
    ],
)
def test_what_cannot_be_read_is_told_and_not_an_error(raw: str) -> None:
    assert isinstance(stories.load(raw, ()), Unknown)


def test_the_numbers_of_words_stay_what_they_are() -> None:
    """What is at rest refers to them: more may be added at the end."""
    assert stories._WORDS[:3] == ("received", "begun", "done")
    assert stories._WORDS.index("its network vouches for the sender") == 28
    assert len(set(stories._WORDS)) == len(stories._WORDS)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=2000), st.sampled_from(["envelope", "address"]))
def test_what_is_sealed_is_opened_as_it_was(text: str, kind: str) -> None:
    mine = Vault(["a" * 64])
    raw = mine.seal(kind, text)
    packed = vault.as_bytes(raw)
    at_rest = packed if isinstance(packed, bytes) else packed.encode()
    assert mine.open(kind, at_rest.decode("utf-8", "surrogateescape")) == text
    assert mine.is_current(raw)
    assert not Vault(["b" * 64, "a" * 64]).is_current(raw)


def test_what_was_sealed_before_values_were_compressed_is_opened() -> None:
    key = "4f" * 32
    raw = "e1.234a61d5.FJvnNtJ4I+pMyAGPosPisOHsBDAXlyZAD9BPVZU3UbnXDoiIXNGe/UePGJvPe0ZI"
    assert Vault([key]).open("envelope", raw) == '{"text":"as it was"}'


def test_a_sealed_value_that_was_spoilt_says_so() -> None:
    mine = Vault(["a" * 64])
    raw = mine.seal("envelope", "x" * 100)
    for spoilt in (raw[:-1], raw[:10], f"{raw}x"):
        with pytest.raises(ValueError, match=r"spoilt|lacks the key"):
            mine.open("envelope", spoilt)
    with pytest.raises(ValueError, match="compressed"):
        compression.decompress("envelope", b"no frame")
