"""Corners of the delivery engine, each one a defect that once was there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from integration_app import operations
from integration_app.bootstrap import Services
from integration_app.model import Content, Delivery, GateScope, Kind, Lane, Reason, Retry
from integration_app.omi import RateLimited
from integration_app.pipeline.delivery.drain_pass import DrainPass
from integration_app.pipeline.delivery.policy import Situation, decide
from integration_app.pipeline.delivery.sending import Sending
from integration_app.pipeline.rules import Rules
from integration_app.store import keys
from integration_app.store.inbox import Inbox
from tests.conftest import Clock
from tests.integration.helpers import link, refusal, run_due, run_to_rest, state, text
from tests.sandbox_control import SandboxControl


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    sandbox.boost(100)
    link(services, "u")


def park(services: Services, sandbox: SandboxControl, clock: Clock, *uids: str) -> str:
    """A text that is parked for every uid, because its outcome is unknown and cannot be looked up."""
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("error_before", times=len(uids))
    message_id = text(services, "parked")
    run_to_rest(services, clock)
    assert [state(services, message_id, uid) for uid in uids] == ["parked"] * len(uids)
    sandbox.app(actions=["create_conversation", "read_conversations"])
    return message_id


# --- dead letters that share a text -----------------------------------------------------------------------------


def test_dropping_one_uids_dead_letter_keeps_the_text_for_the_other(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    link(services, "v")
    message_id = park(services, sandbox, clock, "u", "v")
    by_uid = {delivery.uid: delivery.id for delivery, _ in services.dead_letters.list()}
    services.replays.drop(by_uid["u"], by="test")
    services.replays.one(by_uid["v"], by="test")
    run_to_rest(services, clock)
    assert (state(services, message_id, "u"), state(services, message_id, "v")) == ("dropped", "done")
    assert sandbox.texts("v") == ["Me: parked"]


def test_half_an_emoji_in_a_senders_address_hinders_no_replay(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("error_before")
    found = services.installations.get("u")
    assert found is not None
    to = f"{found.inbox_token}@in.example.com"
    from integration_app.model import Content, Route

    content = Content(text="hello")
    message_id = text(
        services, "", sender="x\ud83d@y.z", channel="email", route=Route.RECIPIENT, recipients=(to,), content=content
    )
    run_to_rest(services, clock)
    ((dead, _),) = services.dead_letters.list()
    sandbox.app(actions=["create_conversation", "read_conversations"])
    assert services.replays.one(dead.id, by="test") == 1
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"


def test_what_was_replayed_and_delivered_is_kept_no_longer_than_other_texts(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    message_id = park(services, sandbox, clock, "u")
    ((dead, _),) = services.dead_letters.list()
    services.replays.one(dead.id, by="test")
    run_to_rest(services, clock)
    assert 0 < redis.ttl(keys.message(message_id)) <= 7 * 86400


def test_a_replay_does_not_make_up_for_time_that_nobody_used(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    park(services, sandbox, clock, "u")
    ((dead, _),) = services.dead_letters.list()
    replay = services.dead_letters
    replay.start("r1", [dead.id, *(f"d{number}" for number in range(50))], rate=30, by="test", now=clock())
    clock.pass_time(minutes=10)
    assert services.replays.step(clock()) <= 1


# --- crashes and stalls -----------------------------------------------------------------------------------------


def test_a_redis_that_stumbles_parks_no_good_message(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Content(text="remember: tea", html="x" * 3_000_000)  # its content is fetched when its turn comes
    message_id = text(services, "remember: tea", content=large)

    def stumble(*_: object) -> None:
        raise RedisTimeoutError("once")

    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "text", stumble)
        with pytest.raises(RedisTimeoutError):
            run_due(services, clock)
    assert state(services, message_id, "u") == "waiting"
    redis.delete(keys.lease("u"))
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"


def test_a_worker_that_stalls_before_its_call_does_not_make_it(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(services, "remember: tea")
    real = Sending._call

    def stalled(self: Sending, run: DrainPass, delivery: Delivery) -> object:
        run.held_since -= 1000  # it was asleep for a quarter of an hour
        return real(self, run, delivery)

    monkeypatch.setattr(Sending, "_call", stalled)
    run_due(services, clock)
    assert sandbox.calls("create_memories") == []


@pytest.mark.parametrize("seconds", [0.0, 1e12, 1e300])
def test_an_absurd_retry_after_is_a_decision_too(seconds: float, clock: Clock) -> None:
    now = clock()
    decision = decide(
        RateLimited("x", retry_after=seconds), Situation(now=now, kind=Kind.MEMORIES, first_tried_at=now), Rules()
    )
    wait = decision.at - now  # type: ignore[union-attr]
    assert timedelta(seconds=1) <= wait <= timedelta(days=1, seconds=1)


def test_a_clock_that_jumps_does_not_end_the_settling_pause(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("drop_before")
    message_id = text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    clock.pass_time(hours=1)  # a jump: in truth no time has passed, and Omi may still be at it
    for uid in services.due.promote(now=clock(), repeat_ms=1, limit=10):
        services.drain.run(uid)
    assert sandbox.texts("u") == []
    assert state(services, message_id, "u") == "sending"


# --- reading back -----------------------------------------------------------------------------------------------


def test_an_omi_that_keeps_milliseconds_is_still_recognised(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from integration_app.omi import Conversation, IntegrationsClient

    real = IntegrationsClient.conversations

    def coarse(self: IntegrationsClient, uid: str, **more: object) -> list[Conversation]:
        def cut(row: Conversation) -> Conversation:
            moment = row.created_at.replace(microsecond=row.created_at.microsecond // 1000 * 1000)
            return replace(row, created_at=moment, started_at=moment)

        return [cut(row) for row in real(self, uid, **more)]  # type: ignore[arg-type]

    monkeypatch.setattr(IntegrationsClient, "conversations", coarse)
    sandbox.fault("timeout_after")
    text(services, "hello")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]


# --- order and time ---------------------------------------------------------------------------------------------


def test_retry_after_zero_lets_nothing_overtake(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.fault("429", retry_after=0)
    first, second = "a" * 60_000, "b" * 60_000
    text(services, first)
    text(services, second)
    run_to_rest(services, clock)
    assert [words[:5] for words in sandbox.texts("u")] == ["Me: a", "Me: b"]
    stored = [row["external_data"]["text"][:5] for row in sandbox.conversations("u")]
    assert stored == ["Me: a", "Me: b"]


def test_a_user_who_returns_just_in_time_gets_everything(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.disable("u")
    message_id = text(services, "hello")
    run_to_rest(services, clock, within=timedelta(days=6, hours=20))
    sandbox.enable("u")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"


def test_time_behind_somebody_elses_gate_does_not_count_against_the_horizon(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("429", route="create_memories", retry_after=5)
    message_id = text(services, "remember: tea")
    run_due(services, clock)
    until = clock() + timedelta(hours=25)
    services.gates.close(GateScope.ALL, "u", None, refusal(until, "our key"), now=clock())
    sandbox.fault("429", route="create_memories", retry_after=5)
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"


def test_heads_of_mails_count_when_mails_are_joined(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    from integration_app.model import Content, Route

    found = services.installations.get("u")
    assert found is not None
    services.gates.close(
        GateScope.KIND, "u", Kind.CONVERSATION, refusal(clock() + timedelta(minutes=5), "x"), now=clock()
    )
    for number in range(10):
        text(
            services,
            "",
            channel="email",
            route=Route.RECIPIENT,
            recipients=(f"{found.inbox_token}@in.example.com",),
            sender="a" * 200 + "@example.com",
            content=Content(text=f"{number}" * 9500, subject="s" * 300),
        )
    run_to_rest(services, clock)
    assert not any("left out" in words for words in sandbox.texts("u"))
    assert "".join(sandbox.texts("u")).count("9" * 9500) == 1


# --- the fleet --------------------------------------------------------------------------------------------------


def test_places_that_nobody_took_during_an_outage_are_booked_anew(build: Callable[..., Services], clock: Clock) -> None:
    traffic = build(OMI_MAX_REQUESTS_PER_MINUTE="100")
    uids = [f"w{number}" for number in range(300)]

    def admitted() -> int:
        return sum(limiter_of(traffic).acquire(uid, Kind.MEMORIES, now=clock()) is None for uid in uids)

    assert admitted() <= 10
    clock.pass_time(minutes=8)  # all places lie in the past now, and nobody has come
    assert admitted() <= 10


def test_never_more_requests_in_a_minute_than_allowed(build: Callable[..., Services], clock: Clock) -> None:
    traffic = limiter_of(build(OMI_MAX_REQUESTS_PER_MINUTE="100"))
    waiting = {f"w{number}": clock() for number in range(400)}
    gone = 0
    for _ in range(60):
        for uid, at in list(waiting.items()):
            if at <= clock():
                again = traffic.acquire(uid, Kind.MEMORIES, now=clock())
                if again is None:
                    del waiting[uid]
                    gone += 1
                else:
                    waiting[uid] = again
        clock.pass_time(seconds=1)
    assert 85 <= gone <= 100


def test_a_clock_that_is_set_back_does_not_stop_the_fleet(build: Callable[..., Services], clock: Clock) -> None:
    traffic = limiter_of(build(OMI_MAX_REQUESTS_PER_MINUTE="100"))
    for number in range(5):
        traffic.acquire(f"w{number}", Kind.MEMORIES, now=clock())
    clock.pass_time(hours=-1)
    at = traffic.acquire("x", Kind.MEMORIES, now=clock())
    assert at is None or at - clock() < timedelta(seconds=10)


def test_an_omi_that_reads_and_does_not_write_is_down_all_the_same(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    uids = [f"w{number}" for number in range(20)]
    sandbox.enable(*uids)
    link(services, *uids)
    sandbox.fault("error_before", times=None)
    text(services, "hello")
    clock.pass_time(seconds=21)
    for _ in range(30):
        run_due(services, clock)
        clock.pass_time(seconds=1)
    assert services.gates.of_all(), "everybody waits"
    assert services.health.counters()["alarms"] == 1


def test_a_probe_that_only_reads_is_over_when_it_is_answered(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.fault("timeout_after")
    sandbox.fault("unavailable", route="read_conversations")
    text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    services.gates.close(GateScope.ALL, "u", None, refusal(clock(), "our key"), now=clock())
    sandbox.disable("u")
    clock.pass_time(seconds=31)
    run_due(services, clock)
    assert redis.get(keys.PROBING) is None


def test_any_proof_of_our_key_opens_the_gate_for_everybody(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """A user who has left is no success, but Omi looked at our key first."""
    sandbox.disable("u")
    services.gates.close(GateScope.ALL, "u", None, refusal(clock(), "our key"), now=clock())
    text(services, "remember: tea")
    clock.pass_time(seconds=1)
    run_due(services, clock)
    assert services.gates.of_all() == {}


def test_a_gate_is_not_shortened_by_what_began_before_it_closed(services: Services, clock: Clock) -> None:
    long, short = clock() + timedelta(minutes=15), clock() + timedelta(seconds=10)
    assert services.gates.close(GateScope.ALL, "u", None, refusal(long, "our key"), now=clock()) == 1
    assert services.gates.close(GateScope.ALL, "v", None, refusal(short, "Omi"), now=clock()) == 1
    assert services.gates.of_all()["all"].until == long


def test_opening_gates_reaches_a_drain_that_is_under_way(services: Services, clock: Clock) -> None:
    text(services, "hello")
    lease = services.due.claim("u", now=clock(), salt="a")
    assert lease is not None
    seen = services.outbox.peek("u").last_seq
    services.due.set("u", clock())
    services.due.release(lease, next_at=clock() + timedelta(hours=6), last_seq=seen, now=clock())
    due = services.due.at("u")
    assert due is not None
    assert due <= clock()


def limiter_of(services: Services):  # type: ignore[no-untyped-def]
    return services.drain._limiter


def test_a_begin_whose_answer_was_lost_is_begun_once_and_called(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client runs the script again; the budget that its first run took must not hold up its second."""
    fleet = build(OMI_MAX_REQUESTS_PER_MINUTE="10")
    text(fleet, "remember: tea")
    real = fleet.deliveries._begin
    answers = []

    def twice(**how: Any) -> int:
        answers.append((real(**how), real(**how)))
        return int(answers[-1][1])

    monkeypatch.setattr(fleet.deliveries, "_begin", twice)
    run_due(fleet, clock)
    assert answers == [(0, 0)]
    assert len(sandbox.memories("u")) == 1


def test_one_users_choking_text_does_not_hold_up_everybody_after_an_outage(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """Whoever sorts first must not be the only one that ever probes."""
    uids = ["a", *(f"w{number}" for number in range(20))]
    sandbox.enable(*uids)
    link(services, *uids)
    sandbox.fault("unavailable", route="create_memories", times=None)
    text(services, "remember: tea")
    for _ in range(30):
        run_due(services, clock)
        clock.pass_time(seconds=1)
    sandbox.clear_faults()
    sandbox.fault("unavailable", route="create_memories", times=None, uid="a")
    back = clock()
    while not any(sandbox.memories(uid) for uid in uids[1:]):
        run_due(services, clock)
        clock.pass_time(seconds=1)
        assert clock() - back < timedelta(minutes=12), "the others get their turn"


def test_a_full_redis_refuses_a_message_and_still_shows_and_erases(
    services: Services, redis: Redis, clock: Clock
) -> None:
    text(services, "hello")
    redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(RedisError):
            text(services, "no room")
        assert services.timeline.latest(limit=5)[0]["recipients"][0]["why"] == "waiting for more"
        assert operations.overview(services)["waiting"] == 1
        box = operations.outbox(services, "u")
        assert box is not None
        assert box["waiting"] == 1
        assert services.erasure.erase("u")["erased"]["messages"] == 1
    finally:
        redis.config_set("maxmemory", "0")


def test_paused_outboxes_are_listed_behind_those_that_are_due(services: Services, clock: Clock) -> None:
    link(services, "a", "b", phone="+15550003333")
    text(services, "hello", sender="+15550003333")
    services.due.forget("a")
    assert [row["uid"] for row in operations.outboxes(services)] == ["b", "a"]


def test_a_gate_that_an_older_worker_closes_again_has_its_reason(
    services: Services, redis: Redis, clock: Clock
) -> None:
    decision = Retry(clock() + timedelta(minutes=1), Reason.RATE_LIMIT)
    services.gates.close(GateScope.KIND, "u", Kind.CONVERSATION, decision, now=clock())
    assert services.gates.of("u")["conversation"].reason is Reason.RATE_LIMIT
    redis.hset(keys.gate("uid:u:conversation"), "reason", "not enabled in Omi")  # as 0.1 writes it
    assert services.gates.of("u")["conversation"].reason is Reason.NOT_ENABLED


def test_what_a_dead_worker_left_is_not_called_running(services: Services, redis: Redis, clock: Clock) -> None:
    message_id = text(services, "hello")
    taken = services.outbox.claim("u", now=clock(), salt="a")
    assert taken is not None
    lane = Lane("sms", "+15550001111", Kind.CONVERSATION)
    delivery = Delivery("d1", "u", lane, (message_id,), {}, clock(), clock(), clock())
    services.deliveries.begin(taken[0], delivery, seq=1, now=clock())
    assert [row.reason for row in services.estimates.of("u")] == [Reason.IN_FLIGHT]
    redis.delete(keys.lease("u"))
    assert [row.reason for row in services.estimates.of("u")] == [Reason.OUTCOME_UNKNOWN]
