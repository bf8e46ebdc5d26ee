"""The wrapper for scripts, pages that move, and what never shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from integration_app.omi import (
    DeveloperClient,
    IntegrationsClient,
    NewActionItem,
    NewDeveloperMemory,
    NewMemories,
    NewSegmentsConversation,
    NewTextConversation,
    OutcomeUnknown,
    RateLimited,
    Segment,
    retrying,
)
from tests.sandbox_control import SandboxControl


@pytest.fixture
def key(sandbox: SandboxControl) -> str:
    sandbox.enable("u")
    return str(requests.post(f"{sandbox.url}/_sandbox/users/u/keys", json={}, timeout=5).json()["key"])


@pytest.fixture
def developer(sandbox: SandboxControl, key: str) -> Iterator[DeveloperClient]:
    with DeveloperClient(key, base_url=sandbox.url) as client:
        yield client


def test_the_documented_backoff(sandbox: SandboxControl, developer: DeveloperClient) -> None:
    waits: list[float] = []
    patient = retrying(developer, sleep=waits.append, chance=lambda: 0.0)
    sandbox.fault("429", route="dev_create_memory", times=3)
    patient.create_memory(NewDeveloperMemory("Likes tea"))
    assert waits == [1.0, 2.0, 4.0]


def test_retry_after_wins_and_patience_ends(sandbox: SandboxControl, developer: DeveloperClient) -> None:
    waits: list[float] = []
    told: list[str] = []
    patient = retrying(
        developer,
        sleep=waits.append,
        chance=lambda: 0.0,
        patience=60,
        on_wait=lambda _, error: told.append(error.reason),
    )
    sandbox.fault("429", route="dev_create_memory", times=1, retry_after=7)
    patient.create_memory(NewDeveloperMemory("Likes tea"))
    assert (waits, told) == ([7.0], ["Omi's rate limit is reached"])
    sandbox.fault("429", route="dev_create_memory", times=1, retry_after=3600)
    with pytest.raises(RateLimited):
        patient.create_memory(NewDeveloperMemory("Likes coffee"))


def test_only_what_is_harmless_is_sent_again_after_an_unknown_outcome(
    sandbox: SandboxControl, developer: DeveloperClient
) -> None:
    patient = retrying(developer, sleep=lambda _: None)
    sandbox.fault("504", route="dev_create_conversation", times=1)
    with pytest.raises(OutcomeUnknown):
        patient.create_conversation(NewTextConversation("Hello"))
    sandbox.fault("504", route="dev_create_from_segments", times=1)
    segment = Segment("Shall we begin with the budget, I will send it by Friday?", 0.0, 3.0)
    made = patient.create_from_segments(NewSegmentsConversation((segment,), client_session_id="s1"))
    assert made.id
    assert len(sandbox.conversations("u")) == 2
    sandbox.fault("504", route="dev_read_memories", times=1)
    assert len(list(patient.iter_memories())) == len(developer.memories())


def test_pages_of_the_wrapper_are_retried_one_by_one(sandbox: SandboxControl, developer: DeveloperClient) -> None:
    developer.create_action_items([NewActionItem(f"task {number}") for number in range(120)])
    sandbox.fault("429", route="dev_read_action_items", times=2)
    waits: list[float] = []
    found = list(retrying(developer, sleep=waits.append).iter_action_items(page=50))
    assert (len(found), len(waits)) == (120, 2)


def test_pages_survive_what_is_inserted_meanwhile(sandbox: SandboxControl, developer: DeveloperClient) -> None:
    sandbox.boost(10)
    developer.create_memories([NewDeveloperMemory(f"memory {number}") for number in range(60)])
    seen = []
    for number, memory in enumerate(developer.iter_memories(page=20)):
        seen.append(memory.content)
        if number in (5, 25):
            developer.create_memory(NewDeveloperMemory(f"meanwhile {number}"))
    assert {f"memory {number}" for number in range(60)} <= set(seen)
    assert len(seen) == len(set(seen))


def test_limits_are_told_where_omi_tells_them(sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    with IntegrationsClient(sandbox.app_id, sandbox.api_key, base_url=sandbox.url) as client:
        client.notify("u", "hello")
        limit = client.rate_limit
        assert limit is not None
        assert (limit.limit, limit.remaining) == (10, 9)
        assert limit.resets_at is not None
        assert limit.resets_at > datetime.now(UTC)
        client.create_memories("u", NewMemories(text="Four words are enough."))
        assert client.rate_limit is None, "a success says nothing"


def test_a_key_shows_nowhere(developer: DeveloperClient, key: str) -> None:
    made = repr(developer), repr(retrying(developer))
    assert all(key not in text for text in made)
    with pytest.raises(Exception) as caught, DeveloperClient(key, base_url="http://127.0.0.1:1") as nobody:
        nobody.memories()
    assert key not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
