"""Delivered messages, packed an hour later: everything that was there is still there, and half of the memory is free."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Made, Preferences, SeenInOmi, TextShown
from integration_app.store import accounts, keys, packed, packing
from integration_app.store.vault import current
from tests.conftest import Cli, Clock
from tests.integration.helpers import pack, run_to_rest, state, text
from tests.integration.test_at_rest import NEW, OLD, OTHER, PHONE, U, V, busy, everything, everything_shown, people
from tests.sandbox_control import SandboxControl
from workers.maintenance import Maintenance


@pytest.fixture
def sealed(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    sandbox.enable(U, V)
    return people(build(DATA_KEYS=NEW))


def shown(services: Services, ids: list[str]) -> object:
    """All that anybody can see of these messages."""
    one = services.inbox
    return (
        everything_shown(services), [one.story(each) for each in ids], [one.text(each) for each in ids],
        [[one.made(each, uid), one.states([each], uid)] for uid in (U, V) for each in ids],
        [list(services.erasure.export(uid)) if hasattr(services, "erasure") else None for uid in (U, V)],
        [story.id for story in one.latest(100, oldest_first=True)],
    )  # fmt: skip


def test_after_a_busy_day_everything_is_shown_as_before(
    sealed: Services, sandbox: SandboxControl, redis: Redis, clock: Clock
) -> None:
    went_in = busy(sealed, sandbox, clock)
    ids = [story.id for story in sealed.inbox.latest(100)]
    ended = [one for one in ids if set(sealed.inbox.story(one).states.values()) in ({"done"}, {"dropped"})]  # type: ignore[union-attr]
    before = shown(sealed, ids)
    assert pack(sealed, clock) == 0, "not before an hour is over"
    clock.pass_time(hours=1)
    lives = {one: redis.pttl(keys.message(one)) for one in ended}
    assert pack(sealed, clock) == len(ended) >= 3
    for one in ids:
        assert bool(redis.exists(keys.packed(one))) is (one in ended)
        assert bool(redis.exists(keys.message(one), keys.story(one))) is (one not in ended)
    for one, left in lives.items():
        assert left - 10_000 < redis.pttl(keys.packed(one)) <= left, "it expires when it would have"
    assert shown(sealed, ids) == before
    dump = everything(sealed)
    assert [words for words in went_in if words.encode() in dump] == []
    for one in ended:
        assert sealed.inbox._packing.unpack(one)
    assert shown(sealed, ids) == before
    assert pack(sealed, clock) == len(ended), "and again"
    assert shown(sealed, ids) == before


def test_what_comes_later_is_written_into_it(sealed: Services, clock: Clock, sandbox: SandboxControl) -> None:
    one, other = text(sealed, "first words", sender=PHONE), text(sealed, "second words", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=2)
    assert pack(sealed, clock) == 2
    made = Made("title", "overview", ("to do",))
    sealed.inbox.seen(one, SeenInOmi(at=clock(), uid=U, by="c1"), made)
    sealed.inbox.note(other, TextShown(at=clock(), by="operator"))
    assert sealed.inbox.made(one, U) == made
    for each, kind in ((one, SeenInOmi), (other, TextShown)):
        story = sealed.inbox.story(each)
        assert story is not None
        assert isinstance(story.events[-1], kind)
    assert pack(sealed, clock) == 0, "an hour later"
    clock.pass_time(hours=1)
    assert pack(sealed, clock) == 2
    assert sealed.inbox.made(one, U) == made
    assert [story.id for story in sealed.inbox.of(U)] == [other, one]


def test_it_is_erased_like_any_other(sealed: Services, clock: Clock, redis: Redis) -> None:
    sealed.installations.link_phone(V, PHONE)
    shared, own = text(sealed, "shared words", sender=PHONE), text(sealed, "own words", sender=OTHER)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    assert pack(sealed, clock) == 2
    sealed.erasure.erase(V)
    assert sealed.inbox.story(own) is None
    story = sealed.inbox.story(shared)
    assert story is not None
    assert set(story.states) == {U}
    assert not [key for key in redis.scan_iter("*") if accounts.name_of(V) in str(key)]
    assert sealed.inbox.all_of(V) == []


def test_what_a_user_has_beyond_what_is_listed_is_found(
    sealed: Services, clock: Clock, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [text(sealed, f"text {number}", sender=PHONE) for number in range(3)]
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    pack(sealed, clock)
    later = text(sealed, "later", sender=PHONE)
    text(sealed, "another's", sender=OTHER)
    redis.zremrangebyrank(keys.of(U), 0, 1)
    monkeypatch.setattr("integration_app.store.inbox.LISTED_MAX", 2)
    assert set(sealed.inbox.all_of(U)) == {*ids, later}


def test_the_key_is_changed_while_messages_are_packed(
    build: Callable[..., Services], sandbox: SandboxControl, redis: Redis, clock: Clock, cli: Cli
) -> None:
    sandbox.enable(U, V)
    before = people(build(DATA_KEYS=OLD))
    ids = [text(before, f"text {number}", sender=PHONE) for number in range(3)]
    run_to_rest(before, clock)
    clock.pass_time(hours=1)
    assert pack(before, clock) == 3
    seen = shown(before, ids)
    between = build(DATA_KEYS=f"{NEW},{OLD}")
    between.rotation.run()
    after = build(DATA_KEYS=NEW)
    assert shown(after, ids) == seen
    assert pack(after, clock) == 0, "they are packed as before"
    opened = build(DATA_KEYS=f"plain,{NEW}")
    opened.rotation.run()
    assert pack(opened, clock) == 0, "there is nothing to gain"
    assert shown(build(DATA_KEYS=f"plain,{NEW}"), ids) == seen


def test_what_changes_while_it_is_read_is_not_packed(
    sealed: Services, clock: Clock, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = text(sealed, "words", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    real = packed.packed

    def slowly(message_id: str, kept: packed.Kept, now: Any) -> str | None:
        sealed.inbox.note(message_id, TextShown(at=now - timedelta(hours=2), by="operator"))
        return real(message_id, kept, now)

    def just_before(message_id: str, kept: packed.Kept, now: Any) -> str | None:
        value = real(message_id, kept, now)
        sealed.inbox._packing.unpack(message_id)  # another process is about to write into it
        return value

    monkeypatch.setattr(packing, "packed", just_before)
    assert pack(sealed, clock) == 0
    monkeypatch.setattr(packing, "packed", slowly)
    assert pack(sealed, clock) == 0
    monkeypatch.setattr(packing, "packed", real)
    assert pack(sealed, clock) == 1
    story = sealed.inbox.story(one)
    assert story is not None
    assert isinstance(story.events[-1], TextShown)


def test_what_would_not_come_back_as_it_was_stays_as_it_is(sealed: Services, clock: Clock, redis: Redis) -> None:
    ids = [text(sealed, f"text {number}", sender=PHONE) for number in range(7)]
    large = text(sealed, "w " * 10_000, sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    name = accounts.name_of(U)
    redis.hset(keys.message(ids[0]), "envelope", "{broken")
    redis.hset(keys.message(ids[1]), "spoilt:envelope", "x")
    redis.lpush(keys.story(ids[2]), '{"event":"received","uid":null,"at":"2026-01-01T00:00:00+00:00"}')
    redis.lpush(keys.story(ids[3]), '{"e":1,"u":"0123456789","t":1}')
    redis.hset(keys.message(ids[4]), "envelope", '{"provider": "twilio"}')
    redis.hset(keys.message(ids[5]), f"state:{name}", "parked")
    redis.rename(keys.story(ids[6]), "aside")
    redis.set(keys.story(ids[6]), "of another type")
    assert pack(sealed, clock) == 0
    assert all(redis.exists(keys.message(one)) for one in (*ids, large))


def test_ids_of_expired_ones_are_forgotten(sealed: Services, clock: Clock, redis: Redis) -> None:
    ids = []
    for number in range(5):
        ids.append(text(sealed, f"text {number}", sender=PHONE))
        clock.pass_time(seconds=1)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    assert pack(sealed, clock) == 5
    redis.delete(*(keys.packed(one) for one in (ids[0], ids[3])))
    assert [story.id for story in sealed.inbox.latest()] == [ids[4], ids[2], ids[1]]
    assert sealed.inbox.sweep(before=clock()) == 2
    assert sealed.inbox.sweep(before=clock()) == 0
    assert sealed.inbox.count() == 3
    assert [story.id for story in sealed.inbox.latest(oldest_first=True)] == [ids[1], ids[2], ids[4]]


def test_packed_and_waiting_ones_are_listed_in_one_order(sealed: Services, clock: Clock) -> None:
    sealed.installations.prefer(V, Preferences(paused=True, paused_at=clock()))
    ids = []
    for number in range(210):
        ids.append(text(sealed, f"text {number}", sender=OTHER if number % 3 == 0 else PHONE))
        clock.pass_time(seconds=1)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    assert pack(sealed, clock) == 140
    assert [story.id for story in sealed.inbox.latest(1000)] == ids[::-1]
    assert [story.id for story in sealed.inbox.latest(150, oldest_first=True)] == ids[:150]
    assert sealed.inbox.count() == 210


def test_an_update_packs_nothing_for_a_day(sealed: Services, clock: Clock, redis: Redis) -> None:
    """Processes of the version before would not see such a message."""
    redis.hdel(keys.STORE, "known", "schema")
    sealed.migrations.run(now=clock())
    one = text(sealed, "words", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=20)
    assert pack(sealed, clock) == 0
    clock.pass_time(hours=4)
    assert pack(sealed, clock) == 1
    assert state(sealed, one, U) == "done"


READERS: list[Callable[[Services, str], object]] = [
    lambda services, one: services.inbox.story(one),
    lambda services, one: services.inbox.text(one),
    lambda services, one: services.inbox.states([one], U)[0],
    lambda services, one: {story.id: story for story in services.inbox.latest(10)}.get(one),
    lambda services, one: {story.id: story for story in services.inbox.of(U)}.get(one),
    lambda services, one: services.inbox.note(one, TextShown(at=services.clock(), by="operator")),
]


@pytest.mark.parametrize("read", READERS)
def test_a_packed_message_that_cannot_be_read_is_put_aside_by_what_reads_it(
    sealed: Services, clock: Clock, redis: Redis, read: Callable[[Services, str], object]
) -> None:
    one, other = text(sealed, "words", sender=PHONE), text(sealed, "others", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    pack(sealed, clock)
    raw = str(redis.get(keys.packed(one)))
    redis.set(keys.packed(one), raw[:-1] + ("a" if raw[-1] != "a" else "b"), keepttl=True)
    assert sealed.rotation.run()["spoilt, left as they are"] == 0, "it is under the newest key"
    assert read(sealed, one) is None
    assert not redis.exists(keys.packed(one))
    assert redis.ttl(keys.spoilt(keys.packed(one))) > 0
    maintenance = Maintenance(sealed, "w", threading.Event())
    maintenance.tick()
    assert sealed.health.counters()["alarms"] == 1
    maintenance.tick()
    assert sealed.health.counters()["alarms"] == 1, "told once"
    assert state(sealed, other, U) == "done"
    redis.rename(keys.spoilt(keys.packed(one)), keys.packed(one))
    sealed.erasure.erase(U)
    assert not redis.exists(keys.packed(one), keys.spoilt(keys.packed(one)))


def test_workers_do_it(sealed: Services, clock: Clock, redis: Redis) -> None:
    one = text(sealed, "words", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    Maintenance(sealed, "w", threading.Event()).tick()
    assert redis.exists(keys.packed(one))
    assert redis.pttl(keys.turn(packed.KIND)) > 10_000, "all were looked at: not again for a minute"


def packed_texts(services: Services, clock: Clock, count: int) -> list[str]:
    ids = []
    for number in range(count):
        ids.append(text(services, f"text {number}", sender=PHONE))
        clock.pass_time(seconds=1)
    run_to_rest(services, clock)
    clock.pass_time(hours=1)
    assert pack(services, clock) == count
    return ids


def test_one_that_was_unpacked_keeps_its_place_and_is_counted_once(
    sealed: Services, clock: Clock, redis: Redis
) -> None:
    ids = packed_texts(sealed, clock, 8)
    for _ in range(3):
        for one in ids[:3]:
            sealed.inbox.note(one, TextShown(at=clock(), by="operator"))
            assert sealed.inbox.count() == 8
            assert sealed.inbox.sweep(before=clock()) == 0, "it may be packed again"
        assert [story.id for story in sealed.inbox.latest(8, oldest_first=True)] == ids
        clock.pass_time(hours=2)
        assert pack(sealed, clock) == 3
        assert [story.id for story in sealed.inbox.latest()] == ids[::-1]
        assert sealed.inbox.count() == 8
    sealed.inbox.note(ids[0], TextShown(at=clock(), by="operator"))
    sealed.erasure.erase(U)
    sealed.inbox.sweep(before=clock())
    assert sealed.inbox.count() == 0
    assert not redis.exists(keys.PACKED_IDS, keys.STILL_LISTED)


@pytest.mark.parametrize("between", ["packed again", "another key"])
@pytest.mark.parametrize("change", ["note", "seen", "erase"])
def test_what_comes_between_unpacking_and_a_change_undoes_neither(
    sealed: Services,
    clock: Clock,
    redis: Redis,
    between: str,
    change: str,
    build: Callable[..., Services],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process rotates the key, or this one stands still for longer than a minute."""
    (one,) = packed_texts(sealed, clock, 1)
    clock.pass_time(hours=1)
    times = [2]
    if between == "another key":
        sealed = build(DATA_KEYS=f"{OLD},{NEW}")
        before = packed.unpacked

        def meanwhile(message_id: str, raw: str) -> packed.Kept:
            kept = before(message_id, raw)
            if times and times.pop():
                sealed.rotation.run()
            return kept

        monkeypatch.setattr(packing, "unpacked", meanwhile)
    else:
        unpack = packing.Packing.unpack

        def slowly(self: packing.Packing, message_id: str) -> bool:
            found = unpack(self, message_id)
            if times and times.pop():
                assert pack(sealed, clock) == 1
            return found

        monkeypatch.setattr(packing.Packing, "unpack", slowly)
    if change == "note":
        sealed.inbox.note(one, TextShown(at=clock(), by="operator"))
    elif change == "seen":
        sealed.inbox.seen(one, SeenInOmi(at=clock(), uid=U, by="c1"), Made("title", "overview", ()))
    else:
        sealed.erasure.erase(U)
        assert not redis.exists(keys.packed(one), keys.message(one), keys.story(one))
        return
    assert not times
    story = sealed.inbox.story(one)
    assert story is not None
    assert isinstance(story.events[-1], TextShown if change == "note" else SeenInOmi)


def test_a_spoilt_one_does_not_hold_up_what_comes_behind_it(sealed: Services, clock: Clock, redis: Redis) -> None:
    """After a gap of the store a drain asks what was delivered in the same minute."""
    one = text(sealed, "first", sender=PHONE)
    run_to_rest(sealed, clock)
    sealed.installations.prefer(U, Preferences(paused=True, paused_at=clock()))
    two = text(sealed, "second", sender=PHONE)
    run_to_rest(sealed, clock)
    clock.pass_time(hours=2)
    assert pack(sealed, clock) == 1
    raw = str(redis.get(keys.packed(one)))
    redis.set(keys.packed(one), raw[:-3], keepttl=True)
    sealed.identity.new_epoch(now=clock())
    sealed.installations.prefer(U, Preferences())
    redis.zadd(keys.DUE, {accounts.name_of(U): 0})
    run_to_rest(sealed, clock)
    assert state(sealed, two, U) == "done"


@pytest.mark.parametrize(
    "record", ['{"v":2,"fields":{"envelope":{}},"uids":[],"story":[]}', "[]", "null", '{"v":1}', "7", ""]
)
def test_one_that_another_version_has_packed_is_erased_all_the_same(
    sealed: Services, clock: Clock, redis: Redis, record: str
) -> None:
    one, other = packed_texts(sealed, clock, 2)
    redis.set(keys.packed(one), current().seal(packed.KIND, record) if record else "", keepttl=True)
    sealed.inbox.note(one, TextShown(at=clock(), by="operator"))
    assert [story.id for story in sealed.inbox.of(U)] == [other]
    sealed.erasure.erase(U)
    assert not [*redis.scan_iter(f"{keys.PACKED}*"), *redis.scan_iter(f"{keys.SPOILT}*")]


def test_bytes_of_another_version_survive(sealed: Services, clock: Clock, redis: Redis) -> None:
    one = text(sealed, "words", sender=PHONE)
    run_to_rest(sealed, clock)
    raw = sealed.queue_connection  # reads and writes bytes
    raw.hset(keys.message(one), b"\xfe\x03\x80", b"\xfe\x03\x80\x00")
    before = raw.hgetall(keys.message(one))
    clock.pass_time(hours=1)
    assert pack(sealed, clock) == 1
    sealed.inbox.note(one, TextShown(at=clock(), by="operator"))
    assert raw.hgetall(keys.message(one)).keys() == before.keys()
    assert raw.hget(keys.message(one), b"\xfe\x03\x80") == b"\xfe\x03\x80\x00"


def test_those_that_cannot_be_packed_hold_up_no_others_of_the_same_millisecond(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, redis: Redis
) -> None:
    sandbox.enable(U, V)
    sealed = people(build(DATA_KEYS=NEW, SENDER_MESSAGES_PER_MINUTE="0"))
    ids = sorted(text(sealed, f"text {number}", sender=PHONE) for number in range(70))
    run_to_rest(sealed, clock)
    clock.pass_time(hours=1)
    for one in ids[:60]:
        redis.hset(keys.message(one), "size", "²")
    assert pack(sealed, clock) == 10


def test_two_sweeps_and_a_packing_in_between_lose_no_id(
    sealed: Services, clock: Clock, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = packed_texts(sealed, clock, 1)
    raw = str(redis.get(keys.packed(one)))
    redis.delete(keys.packed(one))
    unlist = sealed.inbox._packing._unlist

    def later(**given: Any) -> Any:
        redis.set(keys.packed(one), raw, ex=60)
        return unlist(**given)

    monkeypatch.setattr(sealed.inbox._packing, "_unlist", later)
    assert sealed.inbox.sweep(before=clock()) == 0
    assert [story.id for story in sealed.inbox.latest()] == [one]
