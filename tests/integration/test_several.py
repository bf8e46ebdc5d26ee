"""Users spread over several primaries, and over the slots of a real cluster: everything is as on one Redis."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit, UnknownRecipient
from integration_app.model import Route, Story
from integration_app.model.webhook_events import EventType
from integration_app.operations.alerting.problems import standing
from integration_app.store import accounts, keys, stories
from integration_app.store.installations import phone_keys
from integration_app.store.shards import moving as moving_module
from integration_app.store.shards.cutover import cut_over
from integration_app.store.shards.turn import NotMovedError
from integration_app.store.shards.wide import WAYS
from integration_app.store.stores import Stores
from tests.clusters import Cluster, Primaries, Server, forget_mover
from tests.conftest import Cli, Clock
from tests.integration.helpers import PHONE, let_settle, link, pack, text
from tests.sandbox_control import SandboxControl
from tests.sentinels import within
from tests.unit.factories import message
from workers.jobs import OF_PART, run_due

UIDS = tuple(f"user{number}" for number in range(8))


@pytest.fixture(scope="session")
def primaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primaries]:
    made = Primaries(tmp_path_factory.mktemp("primaries"), 3)
    yield made
    made.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


Wide = Callable[..., Services]


@pytest.fixture
def several(primaries: Primaries, build: Callable[..., Services], sandbox: SandboxControl) -> Wide:
    """Services over `count` emptied primaries."""

    def make(count: int = 2, **more: Any) -> Services:
        for server in primaries.servers:
            with server.client() as client:
                client.flushall()
        services = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls[:count]), **more)
        services.identity.init(now=services.clock())
        sandbox.enable(*UIDS)
        return services

    return make


@pytest.fixture
def in_cluster(cluster: Cluster, build: Callable[..., Services], sandbox: SandboxControl, settings: Any) -> Services:
    """Services over a cluster's slots, four parts; RQ beside it."""
    for server in cluster.servers:
        with server.client() as client:
            client.flushall()
    services = build(REDIS_URL="", REDIS_URLS=cluster.url(4), RQ_REDIS_URL=settings["REDIS_URL"])
    services.identity.init(now=services.clock())
    sandbox.enable(*UIDS)
    return services


@pytest.fixture(params=["primaries", "cluster"])
def wide(request: pytest.FixtureRequest) -> Services:
    found = request.getfixturevalue("several" if request.param == "primaries" else "in_cluster")
    return found() if request.param == "primaries" else found  # type: ignore[no-any-return]


def work(services: Services, clock: Clock) -> None:
    """What a worker does until nothing is due, part by part."""
    for _ in range(50):
        at = services.due.oldest()
        if at is None:
            return
        clock.now = max(clock.now, at)
        clock.pass_time(milliseconds=1)
        for number, part in enumerate(services.parts):
            let_settle(part, clock)
            for name in part.due.turn(now=clock(), repeat_ms=15_000, limit=100)[1]:
                run_due(services, f"{number}{OF_PART}{name}")
    raise AssertionError("it never came to rest")


def homes(services: Services) -> dict[str, int]:
    """In which part each user is."""
    return {uid: number for number, part in enumerate(services.parts) for uid in part.installations.uids()}


def test_every_user_gets_every_text_once(wide: Services, clock: Clock, sandbox: SandboxControl) -> None:
    link(wide, *UIDS)
    assert len(set(homes(wide).values())) > 1, "they are spread"
    assert wide.installations.with_phone(PHONE) == sorted(UIDS)
    ids = []
    for number in range(5):
        ids.append(text(wide, f"text {number}."))
        clock.pass_time(seconds=1)
    work(wide, clock)
    for uid in UIDS:
        said = "\n".join(sandbox.texts(uid))
        assert [said.count(f"text {number}.") for number in range(5)] == [1] * 5
        assert wide.inbox.states(ids, uid) == ["done"] * 5
        assert [story.id for story in wide.inbox.of(uid)] == ids[::-1]
    story = wide.inbox.story(ids[0])
    assert story is not None
    assert set(story.states) == set(UIDS)
    assert [found.id for found in wide.inbox.latest(3)] == ids[:1:-1]


def test_a_repeat_is_known_whatever_was_reached_before(wide: Services, clock: Clock, sandbox: SandboxControl) -> None:
    link(wide, *UIDS)
    one = message("once", sender=PHONE, event_id="SM1", dedupe_keys=("once",))
    last = max(homes(wide).values())
    ingest: Any = wide.ingest
    real, ingest._each[last] = ingest._each[last], Broken()
    with pytest.raises(RedisError):
        wide.intake.accept(one)
    ingest._each[last] = real
    for _ in range(3):
        wide.intake.accept(one)
    work(wide, clock)
    assert {uid: len(sandbox.texts(uid)) for uid in UIDS} == dict.fromkeys(UIDS, 1)


class Broken:
    """A shard that is away."""

    def accept(self, *_: object, **__: object) -> object:
        raise RedisError("away")


def test_mail_finds_the_shard_of_its_address(wide: Services) -> None:
    link(wide, *UIDS)
    for uid in UIDS:
        found = wide.installations.get(uid)
        assert found is not None
        to = wide.settings.inbox_address(found.inbox_token)
        mail = replace(
            message("a mail", event_id=uid, dedupe_keys=(uid,)), route=Route.RECIPIENT, recipients=(str(to),),
            sender="a@example.com", channel="email",
        )  # fmt: skip
        assert wide.intake.accept(mail).uids == 1
        assert len(list(wide.inbox.of(uid))) == 1
    with pytest.raises(UnknownRecipient):
        wide.intake.accept(replace(message("x", dedupe_keys=("x",)), sender="+15550002222"))


def test_a_directory_that_is_lost_is_made_anew(several: Wide) -> None:
    services = several()
    link(services, *UIDS)
    text(services, "one")
    for part in services.parts:
        redis: Any = part.due._redis
        redis.delete(*redis.scan_iter(f"{keys.AT}*"))
    assert services.intake.accept(message("two", sender=PHONE, dedupe_keys=("two",))).uids == len(UIDS)
    for part in services.parts:
        part.identity.new_epoch(now=services.clock())
    assert services.intake.accept(message("three", sender=PHONE, dedupe_keys=("three",))).uids == len(UIDS)


def test_a_primary_that_is_away_stops_its_own_users_alone(
    several: Wide,
    clock: Clock,
    sandbox: SandboxControl,
    tmp_path: Path,
    primaries: Primaries,
    build: Callable[..., Services],
) -> None:
    extra = Server(tmp_path / "extra")
    try:
        services = build(REDIS_URL="", REDIS_URLS=f"{primaries.urls[0]} {extra.url}")
        with primaries.servers[0].client() as client:
            client.flushall()
        services.identity.init(now=services.clock())
        for number, uid in enumerate(UIDS):
            link(services, uid, phone=f"+1555000100{number}")
        for number, _ in enumerate(UIDS):
            services.intake.accept(message("one", sender=f"+1555000100{number}", dedupe_keys=(f"one{number}",)))
        there = homes(services)
        assert set(there.values()) == {0, 1}
        extra.kill()
        taken = 0
        for number, uid in enumerate(UIDS):
            two = message("two", sender=f"+1555000100{number}", dedupe_keys=(f"two{number}",))
            if there[uid] == 1:
                with pytest.raises((RedisError, OSError)):
                    services.intake.accept(two)
                continue
            taken += services.intake.accept(two).uids
        assert taken == list(there.values()).count(0)
        extra.start()
        for number, _ in enumerate(UIDS):
            services.intake.accept(message("two", sender=f"+1555000100{number}", dedupe_keys=(f"two{number}",)))
        sandbox.enable(*UIDS)
        work(services, clock)
        for uid in UIDS:
            assert "\n".join(sandbox.texts(uid)).count("two") == 1
    finally:
        extra.kill()


def test_a_primary_in_anothers_place_takes_nothing(
    several: Wide, primaries: Primaries, build: Callable[..., Services]
) -> None:
    link(several(), *UIDS)
    swapped = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls[1::-1]))
    with pytest.raises(StoreUnfit, match="put them back in order"):
        text(swapped, "to nobody")
    assert "put them back in order" in standing(swapped).problems[0].words
    fresh = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls))
    assert text(fresh, "to those who are there by now")
    assert "omi-inbox init" in standing(fresh).problems[0].words
    fresh.identity.init(now=fresh.clock())
    assert text(fresh, "now")


def test_every_store_says_which_shard_is_asked() -> None:
    """What the doors and pages use of a store is in the table; what is not there fails loudly."""
    assert set(WAYS) <= set(Stores.__dataclass_fields__)
    missing = {(store, name) for store, ways in WAYS.items() for name in ways if not hasattr(_class_of(store), name)}
    assert not missing


def _class_of(store: str) -> type:
    import typing

    return typing.get_type_hints(Stores)[store]  # type: ignore[no-any-return]


def test_operators_see_one_deployment(wide: Services, clock: Clock, cli: Cli) -> None:
    link(wide, *UIDS)
    for number in range(3):
        text(wide, f"text {number}")
    assert wide.inbox.count() == 3 * len(set(homes(wide).values()))
    assert cli("overview").exit_code == 0
    assert cli("messages").output.count("sms") == 3
    assert cli("installations").output.count("user") == len(UIDS)
    assert cli("outboxes").exit_code == 0
    assert cli("doctor").exit_code in (0, 1)
    work(wide, clock)
    counted = wide.health.counters()
    assert sum(count for name, count in counted.items() if name.startswith("deliveries:done")) >= len(UIDS)


def test_endpoints_are_told_of_every_user_once(wide: Services) -> None:
    link(wide, *UIDS)
    endpoint, _ = wide.endpoints.add("https://example.com/hook", (EventType.MESSAGE_ACCEPTED,), now=wide.clock())
    text(wide, "to all")
    told = [
        (event.id, event.uid)
        for part in wide.parts
        for _, event in part.feed.new(endpoint.id, part.endpoints.cursor(endpoint.id), 100)
        if event
    ]
    assert sorted(str(uid) for _, uid in told) == sorted(UIDS)
    assert len({event for event, _ in told}) == len(UIDS), "ids are an endpoint's means against doubles"
    assert wide.endpoints.remove(endpoint.id)
    assert not any(part.endpoints.any() for part in wide.parts)


# --- moving -----------------------------------------------------------------------------------------------------


def other_than(services: Services, uid: str) -> int:
    return (homes(services)[uid] + 1) % len(services.parts)


def test_a_user_moves_with_everything_that_waits(wide: Services, clock: Clock, sandbox: SandboxControl) -> None:
    link(wide, *UIDS)
    moving, uid = wide.moving, UIDS[0]
    assert moving is not None
    ids = [text(wide, "before.")]
    work(wide, clock)
    ids.append(text(wide, "waiting."))
    before = wide.installations.get(uid)
    target = other_than(wide, uid)
    moving.move(uid, target)
    assert homes(wide)[uid] == target
    assert wide.installations.get(uid) == before
    ids.append(text(wide, "after."))
    work(wide, clock)
    for each in UIDS:
        said = "\n".join(sandbox.texts(each))
        assert [said.count(f"{words}.") for words in ("before", "waiting", "after")] == [1] * 3
        assert wide.inbox.states(ids, each) == ["done"] * 3
    assert {story.id for story in wide.inbox.of(uid)} == set(ids)
    assert [event.name for event in next(s for s in wide.inbox.of(uid) if s.id == ids[0]).events].count("settled") >= 1
    moving.move(uid, (target + 1) % len(wide.parts))
    text(wide, "again.")
    work(wide, clock)
    assert "\n".join(sandbox.texts(uid)).count("again.") == 1


def test_what_a_user_left_behind_is_cleared(several: Wide, clock: Clock) -> None:
    services = several()
    link(services, UIDS[0])
    text(services, "one")
    source, moving = homes(services)[UIDS[0]], services.moving
    assert moving is not None
    moving.move(UIDS[0], 1 - source)
    redis: Any = services.parts[source].due._redis
    ours = {key for key in redis.scan_iter(f"{keys.PREFIX}*") if UIDS[0] in key and not key.startswith(keys.AT)}
    assert ours == {keys.installation(UIDS[0])}, "it says where they are now"
    clock.pass_time(minutes=3)
    moving.mend()
    assert not redis.hkeys(f"{keys.PREFIX}departed")
    assert not redis.exists(*phone_keys(PHONE))


def test_a_repeat_after_a_move_is_known(wide: Services, clock: Clock, sandbox: SandboxControl) -> None:
    link(wide, *UIDS)
    one = message("once", sender=PHONE, event_id="SM1", dedupe_keys=("once",))
    wide.intake.accept(one)
    assert wide.moving is not None
    for uid in UIDS:
        wide.moving.move(uid, other_than(wide, uid))
    wide.intake.accept(one)
    work(wide, clock)
    wide.intake.accept(one)
    work(wide, clock)
    assert {uid: len(sandbox.texts(uid)) for uid in UIDS} == dict.fromkeys(UIDS, 1)


def test_an_event_that_reached_one_shard_reaches_users_who_come_there_later(
    several: Wide, clock: Clock, sandbox: SandboxControl
) -> None:
    """The shard of one is away at first; those who have it by then leave, and the other comes to where it is known."""
    services = several(3)
    link(services, *UIDS)
    there = homes(services)
    away = there[UIDS[0]]
    other = next(number for number in there.values() if number != away)
    one = message("once", sender=PHONE, event_id="SM1", dedupe_keys=("once",))
    ingest: Any = services.ingest
    real, ingest._each[away] = ingest._each[away], Broken()
    with pytest.raises(RedisError):
        services.intake.accept(one)
    ingest._each[away] = real
    clock.pass_time(seconds=5)
    assert services.moving
    for uid in [uid for uid in UIDS if there[uid] == other]:
        services.moving.move(uid, away)
    for uid in [uid for uid in UIDS if there[uid] == away]:
        services.moving.move(uid, other)
    for _ in range(3):
        services.intake.accept(one)
    work(services, clock)
    assert {uid: len(sandbox.texts(uid)) for uid in UIDS} == dict.fromkeys(UIDS, 1)


class Cut(BaseException):
    """The mover dies here."""


@pytest.mark.parametrize("step", ["cut_over", "_activate", "_clean_up"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_mover_may_die_at_any_step(
    several: Wide, clock: Clock, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    services = several()
    link(services, *UIDS)
    text(services, "waits.")
    moving, uid = services.moving, UIDS[0]
    assert moving is not None
    owner = moving_module if step == "cut_over" else moving
    real = getattr(owner, step)

    def dies(*args: Any) -> None:
        if when == "after":
            real(*args)
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(owner, step, dies)
        with pytest.raises(Cut):
            moving.move(uid, other_than(services, uid))
    one = message("meanwhile.", sender=PHONE, dedupe_keys=("meanwhile",))
    with suppress(StoreUnfit):  # 503: it comes again
        services.intake.accept(one)
    moving.done()
    for part in services.parts:  # the lease of the dead one runs out by Redis's own clock
        part.due._redis.delete(keys.lease(uid))
    moving.mend()
    services.intake.accept(one)
    work(services, clock)
    for each in UIDS:
        said = "\n".join(sandbox.texts(each))
        assert [said.count(f"{words}.") for words in ("waits", "meanwhile")] == [1] * 2, each
    assert len(homes(services)) == len(UIDS)


def test_a_message_that_comes_while_it_is_copied_is_taken_along(
    several: Wide, clock: Clock, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = several()
    link(services, *UIDS)
    moving, uid = services.moving, UIDS[0]
    assert moving is not None
    left = [3]

    def late(*args: Any) -> None:
        if left[0]:
            left[0] -= 1
            text(services, f"late {left[0]}.")
        cut_over(*args)

    monkeypatch.setattr(moving_module, "cut_over", late)
    moving.move(uid, other_than(services, uid))
    work(services, clock)
    for each in UIDS:
        said = "\n".join(sandbox.texts(each))
        assert [said.count(f"late {number}.") for number in range(3)] == [1] * 3


def test_a_user_whose_outbox_is_held_is_not_moved(several: Wide) -> None:
    services = several()
    link(services, *UIDS)
    uid = UIDS[0]
    part = services.parts[homes(services)[uid]]
    lease = part.due.claim(uid, now=services.clock(), salt="worker")
    assert lease
    assert services.moving
    with pytest.raises(NotMovedError, match="a worker is sending"):
        services.moving.move(uid, other_than(services, uid))


def test_a_new_primary_takes_its_share(
    several: Wide, primaries: Primaries, build: Callable[..., Services], cli: Cli
) -> None:
    link(several(1), *UIDS)
    services = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls))
    assert cli("init").exit_code == 0
    assert list(homes(services).values()) == [0] * len(UIDS)
    link(services, "new1", "new2", "new3", "new4", phone="+15550003333")
    assert set(homes(services).values()) == {0}, "processes that do not know the new primary find them"
    assert cli("shards", "rebalance").exit_code == 0
    counts = [len(part.installations.uids()) for part in services.parts]
    assert sum(counts) == len(UIDS) + 4
    assert max(counts) - min(counts) <= 1
    shown = cli("shards", "list").output
    assert all(url.partition("//")[2] in shown for url in primaries.urls)
    assert cli("shards", "move", UIDS[0], "--to", "2").exit_code == 0
    assert homes(services)[UIDS[0]] == 2
    assert cli("shards", "move", "nobody", "--to", "1").exit_code == 3
    link(services, *(f"late{number}" for number in range(6)), phone="+15550004444")
    assert len({number for uid, number in homes(services).items() if uid.startswith("late")}) > 1
    assert services.intake.accept(message("to all", sender=PHONE, dedupe_keys=("x",))).uids == len(UIDS)


def test_nothing_of_an_erased_user_stays(wide: Services) -> None:
    link(wide, *UIDS)
    text(wide, "a word")
    assert wide.moving
    wide.moving.move(UIDS[0], other_than(wide, UIDS[0]))  # away from where one looks first
    text(wide, "another")
    assert len(wide.erasure.export(UIDS[0])["messages"]) == 2
    wide.erasure.erase(UIDS[0])
    for part in wide.parts:
        redis: Any = part.due._redis
        left = {key for key in redis.scan_iter(f"{keys.PREFIX}*") if UIDS[0] in key}
        assert left <= {keys.installation(UIDS[0])}, "where they had gone, for two minutes"
    assert wide.intake.accept(message("to the others", sender=PHONE, dedupe_keys=("x",))).uids == len(UIDS) - 1


def test_one_redis_has_no_shards(services: Services, cli: Cli) -> None:
    assert cli("shards", "list").exit_code == 1
    assert services.moving is None
    assert services.parts == (services,)


def fail_once(services: Services, one: Any, *away: int) -> None:
    """One attempt of the vendor's, while these shards are away."""
    ingest: Any = services.ingest
    real = list(ingest._each)
    for number in away:
        ingest._each[number] = Broken()
    with suppress(RedisError, StoreUnfit):
        services.intake.accept(one)
    ingest._each[:] = real


@pytest.mark.parametrize("seed", range(6))
def test_each_text_comes_once_while_shards_are_away_and_users_move(
    several: Wide, clock: Clock, sandbox: SandboxControl, seed: int
) -> None:
    services, dice = several(3), random.Random(seed)  # noqa: S311 - the same story for each seed
    link(services, *UIDS)
    assert services.moving
    texts = [message(f"w{n}.", sender=PHONE, event_id=f"SM{n}", dedupe_keys=(f"w{n}",)) for n in range(4)]
    for _ in range(25):
        clock.pass_time(seconds=dice.choice((0, 1, 5, 90)))
        if dice.random() < 0.5:
            services.moving.move(dice.choice(UIDS), dice.randrange(3))
        else:
            away = [number for number in range(3) if dice.random() < 0.35]
            fail_once(services, dice.choice(texts), *away)
    for one in texts:
        services.intake.accept(one)
    work(services, clock)
    for uid in UIDS:
        said = "\n".join(sandbox.texts(uid))
        assert [said.count(f"w{n}.") for n in range(4)] == [1] * 4


@pytest.mark.parametrize("gap", ["_activate", "_clean_up"])
def test_a_job_of_before_the_move_sends_nothing(
    several: Wide, clock: Clock, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch, gap: str
) -> None:
    services = several()
    link(services, *UIDS)
    text(services, "waits.")
    clock.pass_time(minutes=10)
    uid = UIDS[0]
    number = homes(services)[uid]
    assert uid in services.parts[number].due.turn(now=clock(), repeat_ms=15_000, limit=100)[1]
    assert services.moving
    real = getattr(services.moving, gap)

    def meanwhile(*args: Any) -> Any:
        run_due(services, f"{number}{OF_PART}{uid}")
        return real(*args)

    with monkeypatch.context() as patched:
        patched.setattr(services.moving, gap, meanwhile)
        services.moving.move(uid, other_than(services, uid))
    work(services, clock)
    assert "\n".join(sandbox.texts(uid)).count("waits.") == 1


def test_a_mover_that_was_taken_for_dead_cannot_go_on(
    several: Wide,
    clock: Clock,
    sandbox: SandboxControl,
    build: Callable[..., Services],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stalls right before it cuts over; a worker mends meanwhile, and the mover's step comes in the middle of that."""
    services = several()
    link(services, *UIDS)
    text(services, "waits.")
    uid, mender = UIDS[0], build().moving
    assert services.moving
    assert mender
    source = homes(services)[uid]
    redis: Any = mender._each[source]
    real_delete = redis.delete
    steps: list[int] = []

    def stalled(*args: Any) -> None:
        def delete(*names: str) -> Any:
            if names == (keys.lease(uid),) and not steps:
                steps.append(1)
                cut_over(*args)
            return real_delete(*names)

        monkeypatch.setattr(redis, "delete", delete)
        forget_mover(mender)
        mender.mend()
        mender.done()

    with monkeypatch.context() as patched, suppress(NotMovedError, RedisError):
        patched.setattr(moving_module, "cut_over", stalled)
        services.moving.move(uid, 1 - source)
    services.moving.mend()
    assert uid in homes(services)
    work(services, clock)
    assert "\n".join(sandbox.texts(uid)).count("waits.") == 1


def test_nobody_signs_in_between_two_shards(several: Wide, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    services = several()
    link(services, *UIDS)
    assert services.moving

    def dies(*_: Any) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(services.moving, "_finish", dies)
        services.moving._is_behind = False
        with pytest.raises(Cut):
            services.moving.move(UIDS[0], other_than(services, UIDS[0]))
    with pytest.raises(StoreUnfit, match="is being moved"):
        services.installations.add(UIDS[0], now=clock())
    services.moving.mend()
    assert sum(UIDS[0] in part.installations.uids() for part in services.parts) == 1


def test_fewer_primaries_than_before_take_nothing(
    several: Wide, primaries: Primaries, build: Callable[..., Services]
) -> None:
    link(several(3), *UIDS)
    fewer = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls[:2]))
    with pytest.raises(StoreUnfit, match="name them all again"):
        text(fewer, "to some")
    assert fewer.moving
    with pytest.raises(StoreUnfit, match="name them all again"):
        fewer.moving.mend()


def test_uids_are_sealed_by_one_key(several: Wide, build: Callable[..., Services]) -> None:
    link(several(), *UIDS)
    sealed = build(DATA_KEYS="ab" * 32)
    sealed.renaming.run()
    accounts.look_again()
    assert all(sealed.installations.get(uid) for uid in UIDS)
    assert sealed.intake.accept(message("two", sender=PHONE, dedupe_keys=("two",))).uids == len(UIDS)
    assert not sealed.identity.init(now=sealed.clock())
    for part in sealed.parts:
        redis: Any = part.due._redis
        assert not [key for key in redis.scan_iter("*") if any(uid in key for uid in UIDS)]


def test_no_phone_stands_in_the_directory_as_it_is(several: Wide) -> None:
    services = several(DATA_KEYS="cd" * 32)
    link(services, *UIDS)
    text(services, "one")
    for part in services.parts:
        redis: Any = part.due._redis
        assert not [key for key in redis.scan_iter("*") if PHONE.lstrip("+") in key]


def test_endpoints_are_one_over_all_shards(
    several: Wide, primaries: Primaries, build: Callable[..., Services], cli: Cli
) -> None:
    before = several(2)
    endpoint, _ = before.endpoints.add("https://example.com/hook", (), now=before.clock())
    before.parts[1].endpoints.switch(endpoint.id, is_on=False, why="it answered 410")
    found = before.endpoints.get(endpoint.id)
    assert found
    assert (found.is_on, found.why) == (False, "it answered 410")
    services = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls))
    assert cli("init").exit_code == 0
    assert cli("shards", "rebalance").exit_code == 0
    assert services.parts[2].endpoints.is_there(endpoint.id)


def test_slots_move_while_texts_arrive(
    in_cluster: Services, cluster: Cluster, clock: Clock, sandbox: SandboxControl
) -> None:
    link(in_cluster, *UIDS)
    for number in range(4):
        tag = f"{{s{number:03d}}}"
        text(in_cluster, f"text {number}.")
        cluster.move(tag, (cluster.owner(tag) + 1) % 3)
    work(in_cluster, clock)
    for uid in UIDS:
        said = "\n".join(sandbox.texts(uid))
        assert [said.count(f"text {number}.") for number in range(4)] == [1] * 4


def test_a_slot_that_moves_key_by_key_rests(in_cluster: Services, cluster: Cluster) -> None:
    """Half of a user's keys would be here and half there; nothing is read or written by halves."""
    link(in_cluster, *UIDS)
    for number, uid in enumerate(UIDS):
        in_cluster.installations.link_phone(uid, f"+1555000200{number}")
    mine = [number for number, uid in enumerate(UIDS) if homes(in_cluster)[uid] == 0]
    texts = [message("x", sender=f"+1555000200{number}", dedupe_keys=(f"x{number}",)) for number in mine]
    slot, source = key_slot(b"{s000}"), cluster.owner("{s000}")
    target = (source + 1) % 3
    steps = ((target, "IMPORTING", cluster.name_of(source)), (source, "MIGRATING", cluster.name_of(target)))
    for node, what, other in steps:
        with cluster.servers[node].client() as client:
            client.execute_command("CLUSTER SETSLOT", slot, what, other)
    for one in texts:
        with pytest.raises(RedisError):
            in_cluster.intake.accept(one)
    for node, *_ in steps:
        with cluster.servers[node].client() as client:
            client.execute_command("CLUSTER SETSLOT", slot, "STABLE")
    assert all(in_cluster.intake.accept(one).uids == 1 for one in texts)


def test_a_failover_of_a_cluster_loses_nothing(
    build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str], tmp_path: Path
) -> None:
    """The primary of a part dies right after texts were acknowledged and a user has come there; its replica takes over."""
    cluster = Cluster(tmp_path, replicas=True, timeout_ms=1000)
    try:
        quick = {"SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "OMI_SETTLE_SECONDS": "1", "ACK_REPLICAS": "1"}
        where = {"REDIS_URL": "", "REDIS_URLS": cluster.url(2), "RQ_REDIS_URL": settings["REDIS_URL"]}
        services = build(real_time=True, **quick, **where)
        services.identity.init(now=services.clock())
        sandbox.enable(*UIDS)
        link(services, *UIDS)
        epochs = [part.identity.epoch() for part in services.parts]
        text(services, "before.")
        assert services.moving
        services.moving.move(UIDS[0], other_than(services, UIDS[0]))
        moved_to = homes(services)[UIDS[0]]
        services.moving.done()
        tag = f"{{s{moved_to:03d}}}"
        node = cluster.owner(tag)
        cluster.servers[node].kill()
        within(20, lambda: cluster.owner(tag, asked=(node + 1) % 3) != node)
        cluster.servers[node].start()  # as a replica of the one that took over
        within(20, lambda: taken(services, message("after.", sender=PHONE, dedupe_keys=("after",))))
        assert services.parts[moved_to].identity.epoch() > epochs[moved_to]
        within(60, lambda: work_now(services))
        for uid in UIDS:
            said = "\n".join(sandbox.texts(uid))
            assert [said.count("before."), said.count("after.")] == [1, 1], uid
    finally:
        cluster.close()


def taken(services: Services, one: Any) -> bool:
    """Whether the door takes it by now."""
    try:
        return bool(services.intake.accept(one))
    except StoreUnfit:
        return False


def work_now(services: Services) -> bool:
    """What a worker does at this moment; whether nothing is due any more."""
    for number, part in enumerate(services.parts):
        for name in part.due.turn(now=services.clock(), repeat_ms=1000, limit=100)[1]:
            run_due(services, f"{number}{OF_PART}{name}")
    return services.due.oldest() is None


def test_users_move_with_what_is_packed(several: Wide, clock: Clock, sandbox: SandboxControl) -> None:
    services = several(2, DATA_KEYS=secrets.token_hex(32))
    link(services, *UIDS)
    once = message("told once", sender=PHONE, event_id="SM77", dedupe_keys=("once",))
    services.intake.accept(once)
    first = text(services, "for all of them")
    clock.pass_time(seconds=1)
    work(services, clock)
    clock.pass_time(hours=1)
    before = {uid: [(story.id, story.events) for story in services.inbox.of(uid)] for uid in UIDS}
    assert pack(services, clock) == 2 * len(set(homes(services).values())), "two texts, each wherever there are users"
    assert services.moving is not None
    for uid, number in homes(services).items():
        services.moving.move(uid, 1 - number)
        clock.pass_time(seconds=1)
    for uid in UIDS:
        rows = [(story.id, story.events) for story in services.inbox.of(uid)]
        assert [row[0] for row in rows] == [row[0] for row in before[uid]]
        assert services.inbox.states([first], uid) == ["done"]
    assert {story.id for story in services.inbox.latest()} == {row[0] for row in before[UIDS[0]]}
    pack(services, clock)
    services.intake.accept(once)
    work(services, clock)
    for uid in UIDS:
        assert "\n".join(sandbox.texts(uid)).count("told once") == 1


def test_a_repeat_of_a_packed_text_is_known_to_those_who_came_and_had_it(
    several: Wide, clock: Clock, sandbox: SandboxControl
) -> None:
    services = several(2, DATA_KEYS=secrets.token_hex(32))
    link(services, *UIDS)
    there = homes(services)
    here = max((0, 1), key=list(there.values()).count)  # names, and with them homes, are drawn: one may be empty
    uid = next(uid for uid, number in there.items() if number == here)
    assert services.moving is not None
    services.moving.move(uid, 1 - here)
    once = message("told once", sender=PHONE, event_id="SM78", dedupe_keys=("late",))
    services.intake.accept(once)
    clock.pass_time(seconds=5)
    work(services, clock)
    clock.pass_time(hours=1)
    assert pack(services, clock) == 2
    services.intake.accept(once)
    work(services, clock)
    for each in UIDS:
        assert "\n".join(sandbox.texts(each)).count("told once") == 1


def told(story: Story) -> list[str]:
    """What happened; of one moment in any order."""
    return sorted(json.dumps(event.as_dict(), sort_keys=True, default=str) for event in story.events)


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_story_names_those_who_are_there_and_nobody_else(several: Wide, clock: Clock, is_packed: bool) -> None:
    services = several(2)
    link(services, *UIDS)
    one = text(services, "for all of them")
    work(services, clock)
    if is_packed:
        clock.pass_time(hours=1)
        pack(services, clock)
    there, before, moving = homes(services), services.inbox.story(one), services.moving
    assert moving is not None
    assert before is not None
    uid = next(uid for uid in UIDS if list(there.values()).count(there[uid]) > 1)
    for number in (1 - there[uid], there[uid], 1 - there[uid]):
        moving.move(uid, number)
        after = services.inbox.story(one)
        assert after is not None
        assert (after.states, told(after)) == (before.states, told(before))
        left = services.parts[1 - number].inbox.story(one)
        if left is not None:
            assert uid not in str(left)
            assert stories.tag(uid) not in str(left)
    services.erasure.erase(uid)
    for part in services.parts:
        assert stories.tag(uid) not in str(part.inbox.story(one))


def traces(services: Services, uid: str) -> dict[int, list[str]]:
    """Keys of each part that name this user, or whose value does."""
    found: dict[int, list[str]] = {}
    for number, part in enumerate(services.parts):
        redis = part.inbox._redis
        for key in map(str, redis.scan_iter("*")):
            raw = redis.dump(key)
            if uid in key or uid.encode() in bytes(raw or b""):
                found.setdefault(number, []).append(key)
    return found


@pytest.mark.parametrize("when", ["before", "after"])
def test_erasing_waits_for_a_move_and_is_whole_then(
    several: Wide, clock: Clock, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    services = several(2)
    uid = UIDS[0]
    link(services, uid)
    text(services, "waits.")
    assert services.moving is not None

    def dies(*args: Any) -> None:
        if when == "after":
            cut_over(*args)
        raise Cut

    monkeypatch.setattr(moving_module, "cut_over", dies)
    with pytest.raises(Cut):
        services.moving.move(uid, other_than(services, uid))
    monkeypatch.undo()
    with pytest.raises(StoreUnfit, match="being moved"):
        services.erasure.erase(uid)
    services.moving.mend()
    assert services.erasure.erase(uid)["erased"]["messages"] == 1
    clock.pass_time(minutes=3)
    services.moving.mend()
    work(services, clock)
    assert not sandbox.texts(uid)
    assert not [key for keys_ in traces(services, uid).values() for key in keys_ if "message" in key or "outbox" in key]


def test_a_user_who_is_erased_between_two_tries_is_moved_nowhere(
    several: Wide, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = several(2)
    uid = UIDS[0]
    link(services, uid)
    text(services, "waits.")
    source, target = homes(services)[uid], other_than(services, uid)
    assert services.moving is not None

    def first_erased(*args: Any) -> None:
        monkeypatch.undo()
        services.parts[source].installations.erase(uid)  # as far as erasing comes before the mover tries again
        cut_over(*args)

    monkeypatch.setattr(moving_module, "cut_over", first_erased)
    with pytest.raises(NotMovedError):
        services.moving.move(uid, target)
    services.parts[source].erasure.erase(uid)
    services.moving.done()
    for _ in range(3):
        clock.pass_time(minutes=3)
        assert services.moving.mend() == 0
    assert not [key for key in traces(services, uid).get(target, ()) if not key.startswith(keys.AT)]


def test_a_user_who_moves_while_keys_change_is_not_left_behind(several: Wide, build: Wide, clock: Clock) -> None:
    old, new = secrets.token_hex(32), secrets.token_hex(32)
    link(several(2, DATA_KEYS=old), *UIDS)
    services = build(REDIS_URL="", DATA_KEYS=f"{new},{old}")
    rotation: Any = services.rotation
    second, there = rotation.each[1], homes(services)
    uid = max(UIDS, key=lambda uid: there[uid])
    assert services.moving is not None
    services.moving.move(uid, 1)
    moving, run = services.moving, second.run

    def moves_first() -> Any:
        second.run = run
        moving.move(uid, 0)
        return run()

    second.run = moves_first
    services.rotation.run()
    services = build(REDIS_URL="", DATA_KEYS=new)
    assert {row.uid for row in services.installations.all()} == set(UIDS)


def test_a_copy_is_sealed(several: Wide, clock: Clock) -> None:
    services = several(2, DATA_KEYS=secrets.token_hex(32))
    link(services, *UIDS)
    one = text(services, "secret-words")
    work(services, clock)
    clock.pass_time(hours=1)
    pack(services, clock)
    uid, here = next(iter(homes(services).items()))
    assert services.moving is not None
    services.moving.move(uid, 1 - here)
    for part in services.parts:
        redis = part.inbox._redis
        for raw in (redis.hgetall(keys.message(one)), redis.get(keys.packed(one))):
            assert "secret-words" not in str(raw)
