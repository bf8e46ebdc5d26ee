"""Long texts meant as memories: Omi takes the facts out of them; nothing is cut into fragments, nothing sent blindly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Content, Route
from tests.conftest import Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.integration.test_faults import restore, snapshot
from tests.sandbox_control import SandboxControl

TRAVEL = (
    """Dear guest,

your flight to Lisbon is confirmed. I like window seats, says your profile.

Flight: TP 123, 5 December, 09:40
Hotel: Casa da Rua, three nights from 5 December
Booking code: MADEUP

"""
    + "These are the terms of carriage, which nobody wants to remember. " * 20
)


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u")
    link(services, "u")


def confirmation(services: Services) -> str:
    installation = services.installations.get("u")
    assert installation is not None
    return text(
        services,
        "",
        channel="email",
        route=Route.RECIPIENT,
        sender="booking@example.com",
        recipients=(f"{installation.inbox_token}+memory@in.example.com",),
        content=Content(text=TRAVEL, subject="Your booking"),
    )


def test_a_travel_confirmation_becomes_facts_and_no_fragments(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    message_id = confirmation(services)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    (call,) = sandbox.calls("create_memories", "u")
    assert call["status"] == 200
    assert all(len(row["content"]) < 400 for row in sandbox.memories("u"))
    assert not any("terms of carriage" in row["content"] for row in sandbox.memories("u")[1:])


@pytest.mark.parametrize("fault", ["error_after", "drop_after", "timeout_after"])
def test_what_was_made_is_not_made_again(services: Services, sandbox: SandboxControl, clock: Clock, fault: str) -> None:
    sandbox.fault(fault, route="create_memories", times=1)
    message_id = confirmation(services)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert len(sandbox.calls("create_memories", "u")) == 1
    assert len(sandbox.calls("read_memories", "u")) >= 1


def test_what_was_not_made_is_sent_again(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.fault("error_before", route="create_memories", times=1)
    message_id = confirmation(services)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert len(sandbox.calls("create_memories", "u")) == 2


@pytest.mark.parametrize("went_out", [True, False])
def test_after_a_gap_of_redis_it_is_not_sent_again_where_omi_may_hold_it(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, went_out: bool
) -> None:
    clock.now = datetime.now(UTC)  # as Omi's: it is asked what was made since the message arrived
    message_id = confirmation(services)
    copy = snapshot(redis)
    if went_out:
        services.drain.run("u")
    restore(redis, copy)
    services.identity.new_epoch(now=clock())
    run_to_rest(services, clock)
    assert len(sandbox.calls("create_memories", "u")) == 1
    assert state(services, message_id, "u") == ("parked" if went_out else "done")
    assert [delivery.is_unsure for delivery, _ in services.dead_letters.list()] == [True] * went_out


def test_a_short_one_beside_it_does_not_stand_for_it(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    """Both wait, nothing was sent before the gap: both arrive."""
    clock.now = datetime.now(UTC)
    short = text(services, "remember: tea")
    message_id = confirmation(services)
    services.identity.new_epoch(now=clock())
    run_to_rest(services, clock)
    assert (state(services, short, "u"), state(services, message_id, "u")) == ("done", "done")


def test_a_long_one_goes_alone(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    text(services, "remember: tea")
    text(services, "remember: " + "The key is with Mara. " * 40)
    text(services, "remember: milk")
    run_to_rest(services, clock)
    contents = [row["content"] for row in sandbox.memories("u")]
    assert {"tea", "milk"} <= set(contents)
    assert len(sandbox.calls("create_memories", "u")) >= 2
