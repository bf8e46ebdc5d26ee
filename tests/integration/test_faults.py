"""Faults tried from outside: odd answers, an empty Redis, a Redis that forgets, records that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.model import Kind
from integration_app.omi import OmiError
from integration_app.omi.answers import from_response
from integration_app.pipeline.delivery.destinations.app import AppDestination
from integration_app.store import keys
from integration_app.store.migrations import STEPS
from tests.conftest import Clock
from tests.integration.helpers import link, run_due, run_to_rest, state, text
from tests.sandbox_control import SandboxControl


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    link(services, "u")


def problems(services: Services) -> str:
    facts = services.health.facts()
    return " ".join(facts.mistakes() + facts.risks(ack_replicas=0, has_sentinels=False))


# --- answers that no document names -----------------------------------------------------------------------------

ODD: dict[str, tuple[int, bytes]] = {
    "302": (302, b""),
    "403 html": (403, b"<html>Attention required</html>"),
    "408": (408, b""),
    "418": (418, b"teapot"),
    "520": (520, b"<html>origin error</html>"),
    "524": (524, b"error code: 524"),
    "530": (530, b""),
    "503 html": (503, b"<!doctype html>"),
    "200 html": (200, b"<html>"),
    "200 empty": (200, b""),
    "200 cut": (200, b'{"sta'),
    "200 list": (200, b"[]"),
}


def answer_oddly(monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, *, stored: bool, times: int) -> None:
    """In front of Omi stands something that answers in its place, whether Omi has stored it or not."""
    real, left = AppDestination.send, [times]

    def send(self: AppDestination, delivery: Any) -> None:
        if left[0] <= 0:
            real(self, delivery)
            return
        left[0] -= 1
        if stored:
            real(self, delivery)
        answer = from_response(status, {}, body)
        client = self._client
        monkeypatch.setattr(client._transport, "call", lambda *_, **__: answer)
        try:
            real(self, delivery)
        finally:
            monkeypatch.undo()
            if left[0] > 0:
                monkeypatch.setattr(AppDestination, "send", send)

    monkeypatch.setattr(AppDestination, "send", send)


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("stored", [True, False])
def test_an_odd_answer_loses_and_doubles_nothing(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str, stored: bool
) -> None:
    answer_oddly(monkeypatch, *ODD[name], stored=stored, times=1)
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]
    assert state(services, message_id, "u") == "done"


def test_a_parked_one_that_omi_holds_is_not_sent_again_by_a_replay(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading was refused when it was parked, and works when it is replayed."""
    sandbox.fault("error_after", route="create_conversation", times=1)
    sandbox.app(actions=["create_conversation"])
    message_id = text(services, "hello")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked"
    (row, _), *_ = services.replays.find(_everything())
    assert row.is_unsure
    assert services.replays.cost([row]).unsure == 1
    services.replays.one(row.id, by="test")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "parked", "it still may not be read, so it is not sent"
    sandbox.app(actions=["create_conversation", "read_conversations"])
    (row, _), *_ = services.replays.find(_everything())
    services.replays.one(row.id, by="test")
    run_to_rest(services, clock)
    assert state(services, message_id, "u") == "done"
    assert sandbox.texts("u") == ["Me: hello"]


def test_the_same_odd_answer_to_several_users_is_everybodys_and_told_once(
    services: Services, sandbox: SandboxControl, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(services, "v", phone="+15550002222")

    def refuse(self: AppDestination, delivery: Any) -> None:
        from_response(403, {}, b"<html>")

    def nothing(self: AppDestination, delivery: Any) -> bool:
        raise _error(403, b"<html>")

    monkeypatch.setattr(AppDestination, "send", refuse)
    monkeypatch.setattr(AppDestination, "find", nothing)
    for number in range(6):
        text(services, f"text {number}")
        text(services, f"other {number}", sender="+15550002222")
        clock.pass_time(seconds=60)
        run_due(services, clock)
    assert any(gate.until > clock() for gate in services.gates.of_all().values())
    assert services.health.counters().get("alarms") == 1
    assert not services.dead_letters.list()
    monkeypatch.undo()
    run_to_rest(services, clock)
    assert "\n\n".join(sandbox.texts("u")).count("text") == 6


def _error(status: int, body: bytes) -> OmiError:
    try:
        from_response(status, {}, body)
    except OmiError as error:
        return error
    raise AssertionError


def _everything() -> Any:
    from integration_app.pipeline.upkeep.replay import Selection

    return Selection()


# --- whose store it is ------------------------------------------------------------------------------------------


def test_an_empty_redis_takes_no_message(services: Services, redis: Redis, clock: Clock) -> None:
    redis.flushall()
    with pytest.raises(StoreUnfit, match="omi-inbox init"):
        text(services, "hello")
    assert not services.identity.is_ours()
    assert redis.dbsize() == 0
    assert services.identity.init(now=clock())
    assert not services.identity.init(now=clock()), "once"
    link(services, "u")
    assert text(services, "hello")


def test_data_of_before_is_taken_for_ours(services: Services, redis: Redis, clock: Clock) -> None:
    text(services, "hello")
    redis.delete(keys.STORE)
    assert services.identity.is_ours()
    assert text(services, "hello again")
    redis.delete(keys.STORE)
    assert services.migrations.run(now=clock()) == [step.what for step in STEPS]
    assert services.migrations.pending() == []
    assert services.identity.epoch() == 1


# --- epochs: after a gap, look before you send ------------------------------------------------------------------


def snapshot(redis: Redis) -> dict[Any, tuple[Any, int]]:
    """A copy of everything, as a backup is one."""
    raw = Redis.from_url(f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}")
    return {key: (raw.dump(key), max(0, raw.pttl(key))) for key in raw.scan_iter("*")}


def restore(redis: Redis, copy: dict[Any, tuple[Any, int]]) -> None:
    raw = Redis.from_url(f"redis://127.0.0.1:{redis.connection_pool.connection_kwargs['port']}")
    raw.flushall()
    for key, (value, ttl) in copy.items():
        raw.restore(key, ttl, value)
    for key in raw.scan_iter(keys.lease("*")):
        raw.delete(key)


@pytest.mark.parametrize("words", ["hello", "remember: the key is with Mara"])
def test_what_was_sent_since_a_copy_was_made_is_not_sent_again(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, words: str
) -> None:
    first = text(services, words)
    copy = snapshot(redis)
    run_to_rest(services, clock)
    restore(redis, copy)
    assert services.identity.new_epoch(now=clock()) == 2
    clock.pass_time(seconds=30)
    second = text(services, "later")
    run_to_rest(services, clock)
    assert state(services, first, "u") == "done"
    assert state(services, second, "u") == "done"
    assert len(sandbox.memories("u")) + len(sandbox.texts("u")) == 2
    assert sandbox.texts("u")[-1] == "Me: later"


def test_another_grouping_is_recognised_message_by_message(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    """Sent as one conversation of three before the gap; after it a fourth has joined."""
    for words in ("one", "ok", "ok"):
        text(services, words)
        clock.pass_time(seconds=2)
    copy = snapshot(redis)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: ok\n\nMe: ok"]
    restore(redis, copy)
    services.identity.new_epoch(now=clock())
    fourth = text(services, "ok")
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: ok\n\nMe: ok", "Me: ok"], "the fourth is another ok"
    assert state(services, fourth, "u") == "done"


def test_what_was_not_sent_before_a_gap_is_sent_once_after_it(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    text(services, "one")
    text(services, "one")
    services.identity.new_epoch(now=clock())
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: one\n\nMe: one"]
    assert len(sandbox.calls("conversations", "u")) <= 1, "one look for each user and window"


def test_a_look_that_fails_holds_and_loses_nothing(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    text(services, "hello")
    copy = snapshot(redis)
    run_to_rest(services, clock)
    restore(redis, copy)
    services.identity.new_epoch(now=clock())
    sandbox.fault("error_before", route="read_conversations", times=3)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]


def test_a_server_that_is_not_the_one_of_before_begins_an_epoch(
    build: Callable[..., Services], services: Services, redis: Redis
) -> None:
    assert services.health.write_and_read_back()
    assert services.identity.epoch() == 1
    redis.hset(keys.STORE, "server", "another")
    fresh = build()
    assert fresh.health.write_and_read_back()
    assert fresh.identity.epoch() == 2
    assert build().identity.epoch() == 2, "the same server again"


# --- replicas ---------------------------------------------------------------------------------------------------


def test_without_its_replicas_a_message_is_refused_and_no_call_made(
    build: Callable[..., Services], services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    """There is no replica here; with one, tests/integration/test_redis.py."""
    strict = build(ACK_REPLICAS="1", ACK_WAIT_MS="20")
    with pytest.raises(StoreUnfit, match="0 of 1 replicas"):
        text(strict, "hello")
    text(services, "waits")
    clock.pass_time(seconds=25)
    run_due(strict, clock)
    run_due(strict, clock)
    assert sandbox.calls("create_conversation") == []
    assert "ACK_REPLICAS is 1" in " ".join(services.health.facts().risks(ack_replicas=1, has_sentinels=False))
    run_to_rest(services, clock)
    assert "Me: waits" in "\n\n".join(sandbox.texts("u"))


# --- records that cannot be read --------------------------------------------------------------------------------


def _spoil_message(field: str, value: str) -> Callable[[Redis, str], Any]:
    return lambda redis, message_id: redis.hset(keys.message(message_id), field, value)


def _of_another_type(key: Callable[[str], str]) -> Callable[[Redis, str], Any]:
    def spoil(redis: Redis, message_id: str) -> None:
        redis.delete(key(message_id))
        redis.set(key(message_id), "x")

    return spoil


MESSAGES: dict[str, Callable[[Redis, str], Any]] = {
    "envelope is no JSON": _spoil_message("envelope", "{"),
    "envelope is a list": _spoil_message("envelope", "[]"),
    "content is no JSON": _spoil_message("content", "\x00"),
    "prepared is no JSON": _spoil_message("prepared", "nonsense"),
    "prepared of another form": _spoil_message("prepared", '{"text": 5}'),
    "no envelope": lambda redis, message_id: redis.hdel(keys.message(message_id), "envelope"),
    "no message at all": lambda redis, message_id: redis.delete(keys.message(message_id)),
    "a message of another type": _of_another_type(keys.message),
    "a story of another type": _of_another_type(keys.story),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_one_message_that_cannot_be_read_stops_nobody(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, name: str
) -> None:
    link(services, "v", phone="+15550002222")
    bad = text(services, "bad")
    MESSAGES[name](redis, bad)
    text(services, "good")
    text(services, "of another", sender="+15550002222")
    run_to_rest(services, clock)
    assert "good" in "".join(sandbox.texts("u"))
    assert "of another" in "".join(sandbox.texts("v"))
    if name != "a story of another type":
        assert state(services, bad, "u") == "parked"
        assert services.health.counters()["alarms"] >= 1
    assert services.health.failed_since(clock().replace(year=2000)) in ([], ["u"])


def test_a_field_that_a_newer_version_wrote_is_no_reason_to_park(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    message_id = text(services, "hello")
    for field in ("envelope", "content"):
        raw = json.loads(str(redis.hget(keys.message(message_id), field)))
        redis.hset(keys.message(message_id), field, json.dumps(raw | {"newer": {"a": 1}}))
    preferences = (
        '{"newer": 1, "import_as": null, "language": "pt", "senders": [], "automatic": false, "paused": false}'
    )
    redis.hset(keys.installation("u"), "preferences", preferences)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]
    installation = services.installations.get("u")
    assert installation is not None
    services.installations.prefer("u", installation.preferences)
    assert json.loads(str(redis.hget(keys.installation("u"), "preferences")))["newer"] == 1, "kept"


SHARED: dict[str, tuple[str, str]] = {
    "own gate": (keys.gate("uid:u"), "string"),
    "gate of a kind": (keys.gate(f"uid:u:{Kind.CONVERSATION.value}"), "string"),
    "gate for everybody": (keys.gate("all"), "string"),
    "outbox": (keys.outbox("u"), "string"),
    "open deliveries": (keys.open_deliveries("u"), "string"),
    "list of messages": (keys.of("u"), "string"),
    "counters": (keys.COUNTERS, "string"),
    "budget": (keys.BUDGET, "hash"),
    "booked": (keys.BOOKED, "string"),
    "held": (keys.HELD, "string"),
    "failures": (keys.FAILURES, "hash"),
}


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_key_of_another_type_stops_nobody(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, name: str, when: str
) -> None:
    key, kind = SHARED[name]

    def spoil() -> None:
        redis.delete(key)
        _ = redis.set(key, "x") if kind == "string" else redis.hset(key, "a", "b")

    link(services, "v", phone="+15550002222")
    if when == "before":
        spoil()
    text(services, "hello")
    text(services, "of another", sender="+15550002222")
    if when == "after":
        spoil()
    for _ in range(3):
        _run_all(services, clock)
    assert "hello" in "".join(sandbox.texts("u")), key
    assert "of another" in "".join(sandbox.texts("v"))


def _run_all(services: Services, clock: Clock) -> None:
    """As workers do: what fails comes due again."""
    clock.pass_time(seconds=200)
    for uid in ("u", "v"):
        services.drain.run(uid)


def test_a_delivery_that_cannot_be_read_is_looked_up_by_its_messages(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    sandbox.fault("drop_after", route="create_conversation", times=1)
    sandbox.fault("error_before", route="read_conversations", times=1)
    message_id = text(services, "hello")
    clock.pass_time(seconds=25)
    run_due(services, clock)
    (delivery,) = redis.zrange(keys.open_deliveries("u"), 0, -1)
    redis.hset(keys.delivery(str(delivery)), "data", "{")
    _run_all(services, clock)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]
    assert state(services, message_id, "u") == "done"


def test_a_half_done_accept_that_is_repeated_ends_in_the_outbox(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    redis.set(keys.outbox("u"), "of another type")
    message_id = text(services, "hello")
    assert redis.zrange(keys.outbox("u"), 0, -1) == [message_id]
    assert redis.get(f"{keys.SPOILT}{keys.outbox('u')}") == "of another type", "put aside for the operator"
    run_to_rest(services, clock)
    assert sandbox.texts("u") == ["Me: hello"]


def test_a_message_that_ends_its_workers_is_parked_after_the_third(
    services: Services, sandbox: SandboxControl, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    from integration_app.pipeline.delivery import prepare as module
    from integration_app.pipeline.delivery import texts as texts_module

    real = module.prepare

    def prepare(message: Any, *args: Any) -> Any:
        if message.content.text == "deadly":
            raise Killed
        return real(message, *args)

    monkeypatch.setattr(texts_module, "prepare", prepare)
    bad = text(services, "deadly")
    good = text(services, "good")
    deaths = 0
    for _ in range(8):
        clock.pass_time(seconds=200)
        redis.delete(keys.lease("u"))  # it has run out
        try:
            services.drain.run("u")
        except Killed:
            deaths += 1
    run_to_rest(services, clock)
    assert state(services, bad, "u") == "parked"
    assert state(services, good, "u") == "done"
    assert deaths == 4, "the first death nobody could foresee"


# --- housekeeping -----------------------------------------------------------------------------------------------


def test_retention_does_not_stick_at_what_still_exists(services: Services, redis: Redis, clock: Clock) -> None:
    long_ago = int(clock().timestamp() * 1000) - 30 * 86_400_000
    pipe = redis.pipeline()
    for number in range(2_500):
        pipe.zadd(keys.MESSAGES, {f"kept{number}": long_ago + number})
        pipe.hset(keys.message(f"kept{number}"), "envelope", "x")
    for number in range(20_000):
        pipe.zadd(keys.MESSAGES, {f"gone{number}": long_ago + 5_000 + number})
    pipe.execute()
    services.retention.sweep(clock())
    assert redis.zcard(keys.MESSAGES) == 2_500


def test_risks_are_named_with_their_cure(services: Services, redis: Redis, clock: Clock) -> None:
    assert problems(services) == ""
    redis.config_set("appendfsync", "everysec")
    try:
        assert "→ set appendfsync always" in problems(services)
    finally:
        redis.config_set("appendfsync", "always")
    used = int(redis.info("memory")["used_memory"])
    redis.config_set("maxmemory", int(used * 1.1))
    try:
        assert "% full" in problems(services)
    finally:
        redis.config_set("maxmemory", 0)
