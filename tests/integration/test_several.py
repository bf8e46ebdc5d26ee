"""Users spread over several primaries, and over the slots of a real cluster: everything is as on one Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit, UnknownRecipient
from integration_app.model import Route
from integration_app.model.webhook_events import EventType
from integration_app.store import keys
from integration_app.store.shards.wide import WAYS
from integration_app.store.stores import Stores
from tests.clusters import Cluster, Primaries, Server
from tests.conftest import Cli, Clock
from tests.integration.helpers import PHONE, let_settle, link, text
from tests.sandbox_control import SandboxControl
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
    fresh = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls))
    with pytest.raises(StoreUnfit, match="omi-inbox init takes it in"):
        text(fresh, "not yet")
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
