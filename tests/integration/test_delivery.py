"""Intake to Omi: real Valkey, real HTTP to the sandbox, the clock in hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import LeaseLost, MalformedPayload, UnknownRecipient
from integration_app.model import (
    Content,
    Delivery,
    DeliveryState,
    GateScope,
    InstallationState,
    Kind,
    Lane,
    Route,
    Settled,
)
from integration_app.pipeline.delivery import texts as texts_module
from integration_app.pipeline.delivery.compose import compose
from integration_app.pipeline.delivery.destinations import app as destination_module
from integration_app.pipeline.delivery.group import Group
from integration_app.pipeline.delivery.sending import Sending
from integration_app.store import keys
from integration_app.store import outbox as outbox_module
from integration_app.store.ingest import Receipt
from integration_app.store.outbox import Outbox
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, refusal, run_due, run_to_rest, state, text
from tests.sandbox_control import SandboxControl
from tests.unit.factories import message


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    link(services, "u")


# --- the main job -----------------------------------------------------------------------------------------------


def test_texts_in_a_row_become_one_conversation_for_each_uid(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    link(services, "v")
    ids = []
    for words in ("one", "two", "three"):
        ids.append(text(services, words))
        clock.pass_time(seconds=5)
    assert run_due(services, clock) == 0
    run_to_rest(services, clock)
    for uid in ("u", "v"):
        assert sandbox.texts(uid) == ["Me: one\n\nMe: two\n\nMe: three"]
        assert [state(services, message_id, uid) for message_id in ids] == ["done"] * 3
        assert len(sandbox.calls("create_conversation", uid)) == 1


def test_two_uids_may_prepare_the_same_message_at_once(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between one drain's look and its writing down, another one prepares the message and drops its content."""
    link(services, "v")
    text(services, "hello")
    clock.pass_time(seconds=21)
    real = Outbox.claim

    def interrupted(self: Outbox, uid: str, **more: Any) -> object:
        seen = real(self, uid, **more)
        if uid == "u":
            monkeypatch.setattr(Outbox, "claim", real)
            services.drain.run("v")
        return seen

    monkeypatch.setattr(Outbox, "claim", interrupted)
    services.drain.run("u")
    assert (sandbox.texts("u"), sandbox.texts("v")) == (["Me: hello"], ["Me: hello"])


def test_nothing_is_sent_before_the_quiet_window_has_passed(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    text(services, "one")
    clock.pass_time(seconds=19)
    text(services, "two")
    clock.pass_time(seconds=19)
    run_due(services, clock)
    assert sandbox.calls() == []
    clock.pass_time(seconds=2)
    run_due(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: two"]


def test_a_mail_to_a_private_address_goes_at_once(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    installation = services.installations.get("u")
    assert installation is not None
    mail = message(
        channel="email",
        route=Route.RECIPIENT,
        sender="ana@example.com",
        recipients=(f"{installation.inbox_token}@in.example.com",),
        received_at=clock(),
        content=Content(text="Hello\n\nOn Mon, Nov 16, 2026 at 9:14 AM A <a@example.com> wrote:\n> old"),
    )
    services.intake.accept(mail)
    assert services.jobs.length() == 1, "a hint was given at once"
    assert run_due(services, clock) == 1
    (only,) = sandbox.conversations("u")
    assert only["external_data"]["text"].endswith("\n\nHello")


def test_memories(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    text(services, "remember: tea #food")
    run_due(services, clock)
    (only,) = sandbox.memories("u")
    assert (only["content"], only["tags"]) == ("tea", ["food"])


def test_the_same_event_is_accepted_once(services: Services) -> None:
    first = services.intake.accept(message("x"))
    second = services.intake.accept(message("x"))
    assert (first.receipt, second.receipt) == (Receipt.STORED, Receipt.DUPLICATE)
    assert second.message_id == first.message_id


def test_any_one_of_several_dedupe_keys_is_enough(services: Services) -> None:
    services.intake.accept(message("x", dedupe_keys=("a", "b")))
    assert services.intake.accept(message("x", dedupe_keys=("b", "c"))).receipt is Receipt.DUPLICATE
    assert services.intake.accept(message("x", dedupe_keys=("c",))).receipt is Receipt.STORED


def test_what_is_for_nobody_or_empty_is_refused_and_not_kept(services: Services, redis: Redis) -> None:
    with pytest.raises(UnknownRecipient):
        services.intake.accept(message("x", sender="+15550007777"))
    with pytest.raises(MalformedPayload):
        services.intake.accept(message(" "))
    assert redis.zcard(keys.MESSAGES) == 0
    assert not list(redis.scan_iter(f"{keys.PREFIX}seen:*"))


def test_carrier_words_are_recorded_and_expire(services: Services, redis: Redis, clock: Clock) -> None:
    accepted = services.intake.accept(message("STOP", control="STOP"))
    assert accepted.receipt is Receipt.RECORDED
    assert redis.ttl(keys.message(accepted.message_id)) > 0
    assert services.due.oldest() is None


# --- waiting, retrying ------------------------------------------------------------------------------------------


def test_a_429_with_retry_after_waits_that_long_and_costs_nothing(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("429", route="create_memories", retry_after=120)
    message_id = text(services, "remember: tea")
    began = clock()
    run_due(services, clock)
    due = services.due.at("u")
    assert due is not None
    assert timedelta(seconds=119.9) <= due - began <= timedelta(seconds=120.5)
    assert state(services, message_id, "u") == "waiting"
    clock.now = due - timedelta(seconds=1)
    assert run_due(services, clock) == 0
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert [row["status"] for row in sandbox.calls("create_memories")] == [429, 200]


def test_a_429_without_a_header_doubles_from_one_second(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("429", route="create_memories", times=4)
    text(services, "remember: tea")
    waits = []
    for _ in range(4):
        began = clock()
        run_due(services, clock)
        due = services.due.at("u")
        assert due is not None
        waits.append((due - began).total_seconds())
        clock.now = due + timedelta(milliseconds=1)
    for waited, least in zip(waits, (1, 2, 4, 8), strict=True):
        assert least - 0.01 <= waited <= least * 1.25 + 0.01
    run_due(services, clock)
    assert len(sandbox.memories("u")) == 1


def test_after_a_success_the_doubling_begins_anew(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    for _ in range(2):
        sandbox.fault("429", route="create_memories")
        text(services, f"remember: tea {clock()}")
        began = clock()
        run_due(services, clock)
        due = services.due.at("u")
        assert due is not None
        assert (due - began).total_seconds() <= 1.26
        run_to_rest(services, clock)


def test_a_closed_gate_makes_texts_grow_into_one_conversation(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    for number in range(10):  # the whole quota of this hour
        text(services, f"quota {number}")
        run_to_rest(services, clock)
        clock.pass_time(minutes=2)
    for number in range(30):
        text(services, f"late {number}")
        clock.pass_time(seconds=45)
        run_due(services, clock)
    refused = [row for row in sandbox.calls("create_conversation") if row["status"] == 429]
    assert len(refused) == 1, "one refusal closes the gate; nobody knocks again"
    sandbox.boost(100)
    run_to_rest(services, clock)
    assert sandbox.texts("u")[-1] == "\n\n".join(f"Me: late {number}" for number in range(30))


def test_two_hundred_texts_in_an_hour_arrive_in_order_within_omis_quota(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """Ten conversations an hour is all that Omi allows. Its clock moves with ours here."""

    def pass_time(seconds: float) -> None:
        clock.pass_time(seconds=seconds)
        sandbox.advance(seconds)

    began = clock()
    for number in range(200):
        text(services, f"text {number}")
        for _ in range(3):
            pass_time(6)
            run_due(services, clock)
    while services.outbox.size("u"):
        pass_time(30)
        run_due(services, clock)
        assert clock() - began < timedelta(hours=4)
    assert "\n\n".join(sandbox.texts("u")) == "\n\n".join(f"Me: text {number}" for number in range(200))
    calls = sandbox.calls("create_conversation")
    hours = (clock() - began) / timedelta(hours=1)
    assert sum(row["status"] == 200 for row in calls) <= 10 * (int(hours) + 1)
    assert sum(row["status"] == 429 for row in calls) <= int(hours) + 1, "one refusal a window"


def test_one_users_closed_gate_delays_nobody_else(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    link(services, "v")
    sandbox.fault("429", uid="u", retry_after=3000)
    text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    assert (sandbox.texts("u"), sandbox.texts("v")) == ([], ["Me: hello"])


def test_a_closed_gate_for_conversations_lets_memories_pass(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.gates.close(
        GateScope.KIND, "u", Kind.CONVERSATION, refusal(clock() + timedelta(hours=1), "x"), now=clock()
    )
    text(services, "hello")
    text(services, "remember: tea")
    clock.pass_time(seconds=30)
    run_due(services, clock)
    assert (len(sandbox.conversations("u")), len(sandbox.memories("u"))) == (0, 1)


def test_an_omi_that_cannot_be_reached_is_tried_again(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    cut_off = build(OMI_BASE_URL="http://127.0.0.1:9")
    message_id = text(cut_off, "remember: tea")
    run_due(cut_off, clock)
    assert state(cut_off, message_id, "u") == "waiting"
    mended = build(OMI_BASE_URL=sandbox.url)
    run_to_rest(mended, clock)
    assert state(mended, message_id, "u") == "done"


def test_what_is_refused_for_a_day_is_given_up_and_kept(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("429", route="create_memories", times=None, retry_after=3600)
    message_id = text(services, "remember: tea")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    ((dead, _),) = services.dead_letters.list()
    assert dead.reason is not None
    assert dead.reason.startswith("gave up")
    assert dead.message_ids == (message_id,)


def test_only_what_is_too_old_is_given_up(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.boost(100)
    sandbox.fault("429", times=None, retry_after=3600)
    old = text(services, "old")
    run_to_rest(services, clock, within=timedelta(hours=23))
    fresh = text(services, "fresh")
    run_to_rest(services, clock, within=timedelta(hours=3))
    assert (state(services, old, "u"), state(services, fresh, "u")) == ("parked", "waiting")
    sandbox.clear_faults()
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: fresh"]


def test_an_omi_that_fails_for_ever_on_one_text_is_given_up(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.boost(1000)
    sandbox.fault("error_before", times=None)
    message_id = text(services, "choke")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    assert len(sandbox.calls("create_conversation")) < 400, "at growing intervals"


def test_more_than_one_look_can_hold_waits_without_spinning(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "BATCH", 5)
    until = clock() + timedelta(hours=1)
    services.gates.close(GateScope.KIND, "u", Kind.CONVERSATION, refusal(until, "x"), now=clock())
    for number in range(12):
        text(services, f"text {number}")
    text(services, "remember: behind them all")
    clock.pass_time(seconds=30)
    run_due(services, clock)
    assert len(sandbox.memories("u")) == 1, "what is behind the blocked ones is reached"
    due = services.due.at("u")
    assert due is not None
    assert abs(due - until) < timedelta(seconds=1), "nobody looks before the gate opens"
    run_to_rest(services, clock)
    assert "\n\n".join(sandbox.texts("u")) == "\n\n".join(f"Me: text {number}" for number in range(12))


def test_a_body_that_omi_refuses_is_parked_and_blocks_nobody(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = compose

    def spoiled(group: Group, **_: object) -> object:
        request = real(group)
        if "bad" in str(group.messages[0].prepared):
            request.body["memories"] = "no list"
        return request

    monkeypatch.setattr(destination_module, "compose", spoiled)
    bad = text(services, "remember: bad")
    clock.pass_time(seconds=1)
    good = text(services, "remember: good")
    run_due(services, clock)
    assert (state(services, bad, "u"), state(services, good, "u")) == ("parked", "done")


@pytest.mark.parametrize("stage", ["prepare", "compose"])
def test_a_poison_message_is_parked_and_blocks_nobody(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    module = {"prepare": texts_module, "compose": destination_module}[stage]
    real = getattr(module, stage)

    def poisoned(what: object, *_: object, **__: object) -> object:
        if "poison" in str(what):
            raise RuntimeError("secret words of the message")
        return real(what)

    monkeypatch.setattr(module, stage, poisoned)
    bad, good = text(services, "remember: poison"), text(services, "remember: good")
    run_due(services, clock)
    assert (state(services, bad, "u"), state(services, good, "u")) == ("parked", "done")
    ((dead, _),) = services.dead_letters.list()
    assert dead.reason is not None
    assert "RuntimeError" in dead.reason
    assert "secret words" not in str(services.timeline.show(bad))


def test_a_message_with_nothing_readable_is_dropped_on_record(services: Services, clock: Clock) -> None:
    message_id = text(services, "\u200b\u200b")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "dropped"


# --- who left, what is our fault --------------------------------------------------------------------------------


def test_a_user_who_is_not_enabled_is_held_up_alone_and_served_on_return(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.disable("u")
    message_id = text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    found = services.installations.get("u")
    assert found is not None
    assert found.state is InstallationState.LEFT
    assert state(services, message_id, "u") == "waiting"
    story = services.timeline.show(message_id)
    assert story is not None
    assert story["recipients"][0]["why"] == "not enabled in Omi"
    calls = len(sandbox.calls("create_conversation"))
    text(services, "anybody?")
    clock.pass_time(minutes=30)
    run_due(services, clock)
    assert len(sandbox.calls("create_conversation")) == calls, "nothing more is sent meanwhile"
    sandbox.enable("u")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello\n\nMe: anybody?"]
    back = services.installations.get("u")
    assert back is not None
    assert back.state is InstallationState.ENABLED


def test_a_user_who_returns_after_the_promised_time_gets_what_comes_then(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.boost(100)
    sandbox.disable("u")
    old = text(services, "hello")
    run_to_rest(services, clock, within=timedelta(days=9))
    clock.pass_time(days=1)
    sandbox.enable("u")
    new = text(services, "I am back")
    run_to_rest(services, clock)
    assert (state(services, old, "u"), state(services, new, "u")) == ("dropped", "done")
    assert sandbox.texts("u") == ["Me: I am back"]


def test_a_user_who_does_not_return_is_dropped_after_the_promised_time(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.boost(100)  # the sandbox's clock stands still while ours runs through days
    sandbox.disable("u")
    message_id = text(services, "hello")
    run_to_rest(services, clock, within=timedelta(days=9))
    assert state(services, message_id, "u") == "dropped"
    assert services.due.oldest() is None


def test_a_missing_capability_stops_its_kind_for_everybody_and_nothing_else(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    link(services, "v", phone="+15550002222")
    sandbox.app(actions=["create_conversation", "read_conversations"])
    text(services, "remember: tea")
    run_due(services, clock)
    other = text(services, "remember: milk", sender="+15550002222")
    words = text(services, "hello", sender="+15550002222")
    clock.pass_time(seconds=30)
    run_due(services, clock)
    assert (state(services, other, "v"), state(services, words, "v")) == ("waiting", "done")
    assert len(sandbox.calls("create_memories")) == 1
    assert services.health.counters()["alarms"] == 1


def test_one_of_many_goes_first_when_a_gate_for_everybody_opens(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    uids = [f"w{number}" for number in range(20)]
    link(services, *uids)
    sandbox.app(api_keys=["sk_other"])
    text(services, "remember: tea")
    for _ in range(5):
        run_due(services, clock)
        clock.pass_time(minutes=16)
    statuses = [row["status"] for row in sandbox.calls("create_memories")]
    assert set(statuses) == {403}
    assert len(statuses) <= 5, "one probe each time, and nobody else"
    assert services.health.counters()["alarms"] == 1, "one cause, one alarm"


def test_an_omi_that_answers_nobody_is_probed_and_not_stormed(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    uids = [f"w{number}" for number in range(30)]
    sandbox.enable(*uids)
    link(services, *uids)
    sandbox.fault("unavailable", route="create_memories", times=None)
    text(services, "remember: tea")
    end = clock() + timedelta(minutes=10)
    while clock() < end:
        run_due(services, clock)
        clock.pass_time(seconds=1)
    assert len(sandbox.calls("create_memories")) <= 20
    sandbox.clear_faults()
    run_to_rest(services, clock)
    assert all(len(sandbox.memories(uid)) == 1 for uid in uids)


def test_429_for_everybody_is_probed_and_not_stormed(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    """Five users in a row are told so: that is no quota of theirs. Nobody else burns a call to find it out."""
    uids = [f"w{number}" for number in range(100)]
    sandbox.enable(*uids)
    link(services, *uids)
    sandbox.fault("rate_limited", route="create_memories", times=None, retry_after=60)
    text(services, "remember: tea")
    end = clock() + timedelta(minutes=10)
    while clock() < end:
        run_due(services, clock)
        clock.pass_time(seconds=1)
    assert len(sandbox.calls("create_memories")) <= 50
    sandbox.clear_faults()
    run_to_rest(services, clock)
    assert all(len(sandbox.memories(uid)) == 1 for uid in uids)


def test_short_waits_of_many_users_hold_up_nobody_longer_than_they_say(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    fleet = build(OMI_MAX_REQUESTS_PER_MINUTE="6000")
    uids = [f"w{number}" for number in range(20)]
    sandbox.enable(*uids)
    link(fleet, *uids, phone="+15550009911")
    sandbox.fault("rate_limited", route="create_memories", times=20, retry_after=3)
    text(fleet, "remember: tea", sender="+15550009911")
    run_due(fleet, clock)
    clock.pass_time(seconds=3.3)
    run_due(fleet, clock)
    assert all(len(sandbox.memories(uid)) == 1 for uid in uids)


def test_users_whose_own_hours_are_used_up_stop_nobody_else(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """Four of them in a row, then somebody whose call is taken: four different quotas, and no more than that."""
    full = [f"f{number}" for number in range(4)]
    for number, uid in enumerate([*full, "fine"]):
        sandbox.enable(uid)
        link(services, uid, phone=f"+1555000990{number}")
    for number in range(len(full)):
        sandbox.fault("rate_limited", route="create_memories", retry_after=600)
        text(services, "remember: tea", sender=f"+1555000990{number}")
        run_due(services, clock)
    text(services, "remember: tea", sender="+15550009904")
    run_due(services, clock)
    assert len(sandbox.memories("fine")) == 1
    assert services.gates.of_all() == {}


def test_a_backlog_is_spread_over_the_fleets_budget(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock
) -> None:
    fleet = build(OMI_MAX_REQUESTS_PER_MINUTE="60")
    uids = [f"w{number}" for number in range(100)]
    sandbox.enable(*uids)
    link(fleet, *uids)
    text(fleet, "remember: tea")
    sent, jobs = [], 0
    for _ in range(150):
        jobs += run_due(fleet, clock)
        sent.append(len(sandbox.calls("create_memories")))
        clock.pass_time(seconds=1)
    assert sent[0] <= 13, "a burst, then"
    assert max(later - earlier for earlier, later in itertools.pairwise(sent)) <= 2
    assert sent[-1] == 101, "u and all the others"
    assert jobs <= 250, "each comes back once, at the place it booked"


@pytest.mark.parametrize("fault", [{"api_keys": ["sk_other"]}])
def test_our_own_fault_burns_nothing_and_stops_everybody(
    services: Services, sandbox: SandboxControl, clock: Clock, fault: dict[str, list[str]]
) -> None:
    link(services, "v")
    sandbox.app(**fault)
    message_id = text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    assert len(sandbox.calls("create_conversation")) == 1, "the second uid is not even tried"
    assert services.health.counters()["alarms"] == 1
    sandbox.app(api_keys=[sandbox.api_key], actions=["create_conversation"])
    run_to_rest(services, clock)
    for uid in ("u", "v"):
        assert state(services, message_id, uid) == "done"


# --- unknown outcomes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["error_after", "timeout_after", "drop_after", "slow_after"])
def test_stored_and_not_told_is_confirmed_by_reading_back(
    services: Services, sandbox: SandboxControl, clock: Clock, fault: str
) -> None:
    sandbox.fault(fault, seconds=3)
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]
    assert state(services, message_id, "u") == "done"
    story = services.timeline.show(message_id)
    assert story is not None
    assert [event["event"] for event in story["events"]] == ["received", "begun", "unknown", "done"]
    assert story["events"][-1]["reason"] == "confirmed by read-back"


def test_a_refused_look_marks_the_user_as_left_and_sends_nothing(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("timeout_after")
    sandbox.fault("unavailable", route="read_conversations")
    message_id = text(services, "hello")
    clock.pass_time(seconds=21)
    run_due(services, clock)
    sandbox.disable("u")
    clock.pass_time(seconds=31)
    run_due(services, clock)
    found = services.installations.get("u")
    assert found is not None
    assert found.state is InstallationState.LEFT
    assert len(sandbox.calls("read_conversations")) == 2
    clock.pass_time(hours=1)
    run_due(services, clock)
    assert len(sandbox.calls("read_conversations")) == 2, "nobody asks again and again"
    sandbox.enable("u")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert sandbox.texts("u") == ["Me: hello"]


@pytest.mark.parametrize("fault", ["error_before", "error_plain", "drop_before"])
def test_not_stored_is_sent_again_only_after_the_settling_pause(
    services: Services, sandbox: SandboxControl, clock: Clock, fault: str
) -> None:
    sandbox.fault(fault)
    text(services, "hello")
    clock.pass_time(seconds=21)
    began = clock()
    run_due(services, clock)
    due = services.due.at("u")
    assert due is not None
    assert due - began == pytest.approx(timedelta(seconds=150), abs=timedelta(seconds=1))
    text(services, "later")
    clock.pass_time(seconds=60)
    run_due(services, clock)
    assert sandbox.texts("u") == [], "nothing overtakes"
    run_to_rest(services, clock)
    assert "\n\n".join(sandbox.texts("u")) == "Me: hello\n\nMe: later"
    assert len([row for row in sandbox.calls("create_conversation") if row["status"] == 200]) <= 2


def test_an_unknown_outcome_that_cannot_be_looked_up_is_parked(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.app(actions=["create_conversation"])
    sandbox.fault("timeout_after")
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    ((dead, _),) = services.dead_letters.list()
    assert dead.reason is not None
    assert dead.reason.startswith("outcome unknown")
    assert len(sandbox.conversations("u")) == 1


def test_looking_up_is_tried_again_when_omi_does_not_answer(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("timeout_after")
    sandbox.fault("unavailable", route="read_conversations", times=3)
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert len(sandbox.conversations("u")) == 1


def test_two_texts_alike_are_told_apart(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    """The second one's outcome is unknown and it was not stored: the first must not be taken for it."""
    text(services, "hello")
    run_to_rest(services, clock)
    sandbox.fault("drop_before")
    second = text(services, "hello")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello", "Me: hello"]
    assert state(services, second, "u") == "done"


def test_memories_with_an_unknown_outcome_are_sent_again_and_held_once(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    sandbox.fault("timeout_after", route="create_memories")
    text(services, "remember: tea")
    run_to_rest(services, clock)
    assert len(sandbox.memories("u")) == 1
    assert len(sandbox.calls("create_memories")) == 2


# --- leases -----------------------------------------------------------------------------------------------------


def test_two_workers_do_not_drain_one_outbox(services: Services, clock: Clock) -> None:
    lease = services.due.claim("u", now=clock(), salt="a")
    assert lease is not None
    assert services.due.claim("u", now=clock(), salt="b") is None
    services.due.release(lease, next_at=None, last_seq=0, now=clock())
    assert services.due.claim("u", now=clock(), salt="b") is not None


def test_asking_for_a_lease_twice_is_harmless(services: Services, clock: Clock) -> None:
    """The answer to the first request was lost on the way, and the client asked again."""
    first = services.due.claim("u", now=clock(), salt="same")
    assert first == services.due.claim("u", now=clock(), salt="same")


def test_a_worker_whose_lease_was_taken_over_can_neither_send_nor_record(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    text(services, "hello")
    clock.pass_time(seconds=21)
    real = compose

    def slow(group: Group, **_: object) -> object:
        redis.set(keys.lease("u"), "somebody-else", px=60_000)  # our lease ran out; another worker has it
        return real(group)

    monkeypatch.setattr(destination_module, "compose", slow)
    services.drain.run("u")
    assert sandbox.calls() == []
    assert redis.get(keys.lease("u")) == "somebody-else"


def test_an_outcome_is_not_recorded_without_the_lease(services: Services, redis: Redis, clock: Clock) -> None:
    text(services, "hello")
    lease = services.due.claim("u", now=clock(), salt="a")
    assert lease is not None
    redis.delete(keys.lease("u"))
    (item,) = services.outbox.peek("u").waiting
    delivery = Delivery("d1", "u", Lane("sms", PHONE, Kind.CONVERSATION), (item.id,), {}, clock(), clock(), clock())
    with pytest.raises(LeaseLost):
        services.deliveries.begin(lease, delivery, seq=1, now=clock())
    with pytest.raises(LeaseLost):
        services.deliveries.settle(lease, delivery, Settled(at=clock(), state=DeliveryState.DONE))


def test_a_message_that_arrives_during_a_drain_is_not_forgotten(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    text(services, "remember: one")
    lease = services.due.claim("u", now=clock(), salt="a")
    assert lease is not None
    seen = services.outbox.peek("u").last_seq
    text(services, "remember: two")
    services.due.release(lease, next_at=None, last_seq=seen, now=clock())
    assert services.due.at("u") == clock().replace(microsecond=123000)
    run_to_rest(services, clock)
    assert len(sandbox.memories("u")) == 2


def test_a_delivery_that_a_dead_worker_left_behind_is_looked_up_first(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = text(services, "hello")
    clock.pass_time(seconds=21)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Sending, "_call", die)
        with pytest.raises(KeyboardInterrupt):
            services.drain.run("u")
    assert state(services, message_id, "u") == "sending"
    services.due._redis.delete(keys.lease("u"))  # the lease runs out
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]
    assert len(sandbox.calls("read_conversations")) == 2


# --- the end of it ----------------------------------------------------------------------------------------------


def test_what_is_done_expires_and_leaves_nothing_waiting(services: Services, redis: Redis, clock: Clock) -> None:
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    week = 7 * 24 * 3600
    assert 0 < redis.ttl(keys.message(message_id)) <= week
    assert 0 < redis.ttl(keys.story(message_id)) <= week
    assert redis.hget(keys.message(message_id), "content") is None
    assert redis.zcard(keys.outbox("u")) == 0
    assert redis.zcard(keys.DUE) == 0


def test_the_story_tells_everything_but_the_text(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.fault("429", retry_after=5)
    message_id = text(services, "my private words")
    run_to_rest(services, clock)
    story = services.timeline.show(message_id)
    assert story is not None
    assert [event["event"] for event in story["events"]] == ["received", "begun", "withdrawn", "begun", "done"]
    withdrawn = story["events"][2]
    assert (withdrawn["status"], withdrawn["uid"]) == (429, "u")
    assert datetime.fromisoformat(withdrawn["until"]) > datetime.fromisoformat(withdrawn["tried_at"])
    assert story["state"] == "done"
    assert story["sender"] == "+1555…11"
    assert "private words" not in str(story)


def test_messages_are_listed_by_uid_and_state(services: Services, clock: Clock) -> None:
    link(services, "v", phone="+15550002222")
    first = text(services, "one")
    run_to_rest(services, clock)
    second = text(services, "two", sender="+15550002222")
    rows = services.timeline.latest(limit=10)
    assert [row["id"] for row in rows] == [second, first]
    assert [row["id"] for row in services.timeline.latest(limit=10, uid="v")] == [second]
    assert [row["id"] for row in services.timeline.latest(limit=10, state="done")] == [first]
