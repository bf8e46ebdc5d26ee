"""After a gap of the store: two users, a call in flight, an Omi that refuses or cannot be read, spoilt records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Delivery, GateScope, Held, Kind, Reason, Retry
from integration_app.omi import UnexpectedAnswer
from integration_app.pipeline.delivery.destinations.app import AppDestination
from integration_app.store import keys, outbox
from tests.conftest import Clock
from tests.integration.helpers import link, run_due, run_to_rest, state, text
from tests.integration.test_faults import restore, snapshot
from tests.integration.test_long_memories import confirmation
from tests.sandbox_control import SandboxControl


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    link(services, "u")


def test_a_look_of_one_user_says_nothing_about_another(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(services, "v")  # the same phone
    text(services, "hello")
    copy = snapshot(redis)
    run_to_rest(services, clock)
    restore(redis, copy)
    services.identity.new_epoch(now=clock())
    real = AppDestination.held

    def held(self: AppDestination, uid: str, kind: Kind, start: datetime, end: datetime) -> Iterator[Held]:
        return iter(()) if uid == "u" else real(self, uid, kind, start, end)

    monkeypatch.setattr(AppDestination, "held", held)
    run_to_rest(services, clock)
    assert len(sandbox.texts("v")) == 1


def test_a_call_in_flight_has_time_to_turn_up(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(services, "hello")
    copy = snapshot(redis)
    clock.pass_time(seconds=25)
    real, calls = AppDestination.send, []

    def send(self: AppDestination, delivery: Delivery) -> None:
        calls.append(delivery)
        if len(calls) == 1:
            restore(redis, copy)
            services.identity.new_epoch(now=clock())
            services.drain.run("u")
        real(self, delivery)

    monkeypatch.setattr(AppDestination, "send", send)
    services.drain.run("u")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]


def test_who_left_before_the_gap_is_marked(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    text(services, "hello")
    services.identity.new_epoch(now=clock())
    sandbox.disable("u")
    run_to_rest(services, clock, within=timedelta(days=1))
    installation = services.installations.get("u")
    assert installation is not None
    assert installation.left_at
    assert len(sandbox.calls("read_conversations", "u")) < 20


def test_a_list_that_cannot_be_read_parks_in_the_end(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = text(services, "hello")
    services.identity.new_epoch(now=clock())

    asked: list[object] = []

    def held(*_: object) -> Iterator[Held]:
        asked.append(clock())
        raise UnexpectedAnswer("Omi's list is not of the documented form")

    monkeypatch.setattr(AppDestination, "held", held)
    run_to_rest(services, clock, within=timedelta(days=2))
    assert state(services, message_id, "u") == "parked"
    assert len(asked) < 400, "less and less often"


def test_a_refused_key_closes_the_gate_for_all(
    build: Callable[..., Services], services: Services, clock: Clock
) -> None:
    text(services, "hello")
    services.identity.new_epoch(now=clock())
    run_to_rest(build(OMI_API_KEY="sk_wrong"), clock, within=timedelta(hours=2))
    assert services.gates.of_all()


def test_memories_of_others_prove_nothing(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.fault("error_before", route="create_memories", times=1)
    confirmation(services)
    run_due(services, clock)
    text(services, "remember: tea")
    run_to_rest(services, clock)
    assert any("window" in row["content"] or "Lisbon" in row["content"] for row in sandbox.memories("u"))


def test_memories_of_a_call_just_before_prove_nothing(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)  # as Omi's: it is asked what was made since the call
    text(services, "remember: tea")
    services.drain.run("u")
    assert sandbox.memories("u")
    clock.now = datetime.now(UTC)
    sandbox.fault("error_before", route="create_memories", times=1)
    confirmation(services)
    services.drain.run("u")
    run_to_rest(services, clock)
    assert any("window" in row["content"] or "Lisbon" in row["content"] for row in sandbox.memories("u"))


def test_a_spoilt_outbox_is_rebuilt_by_the_next_message(
    services: Services, redis: Redis, sandbox: SandboxControl, clock: Clock
) -> None:
    first = text(services, "one")
    redis.delete(keys.outbox("u"))
    redis.set(keys.outbox("u"), "x")
    text(services, "two")
    run_to_rest(services, clock)
    assert state(services, first, "u") == "done"


def test_a_long_backlog_behind_a_gate_is_not_read_again_and_again(
    services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 5)
    for number in range(25):
        text(services, f"w{number}")
    closed = Retry(clock() + timedelta(hours=1), Reason.RATE_LIMIT, GateScope.KIND)
    services.gates.close(GateScope.KIND, "u", Kind.CONVERSATION, closed, now=clock())
    clock.pass_time(seconds=25)
    services.drain.run("u")
    at = services.due.at("u")
    assert at is not None
    assert at > clock() + timedelta(minutes=30)


def test_an_erased_user_leaves_no_lease(services: Services, redis: Redis, clock: Clock) -> None:
    text(services, "hello")
    services.due.claim("u", now=clock(), salt="x")
    services.erasure.erase("u")
    assert not redis.hgetall(keys.HELD)


def test_the_story_says_why_it_waits_after_a_gap_and_how_long(services: Services, redis: Redis, clock: Clock) -> None:
    message_id = text(services, "hello")
    clock.pass_time(seconds=25)
    services.identity.new_epoch(now=clock())
    services.drain.run("u")  # too early: what was called before the gap may still turn up
    (mine,) = services.timeline.show(message_id)["recipients"]  # type: ignore[index]
    assert mine["why"].startswith("Redis was restarted or replaced")
    wait = datetime.fromisoformat(mine["until"]) - clock()
    assert abs(wait - services.deliveries.settle_pause) < timedelta(milliseconds=1)
    clock.pass_time(seconds=wait.total_seconds() + 0.01)
    services.drain.run("u")
    assert state(services, message_id, "u") == "done"
