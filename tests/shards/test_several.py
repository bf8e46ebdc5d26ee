"""Several primaries, and a cluster: each user is in one of them, and the deployment behaves as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit, UnknownRecipient
from integration_app.model import Route
from integration_app.model.webhook_events import EventType
from integration_app.operations.alerting.problems import standing
from integration_app.store import accounts, keys
from integration_app.store.shards.wide import WAYS
from integration_app.store.stores import Stores
from tests.clusters import Primaries, Server
from tests.conftest import Cli, Clock
from tests.integration.helpers import PHONE, link, text
from tests.sandbox_control import SandboxControl
from tests.shards.helpers import UIDS, Broken, Wide, homes, work
from tests.unit.factories import message


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
    cli: Cli,
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
        shown = cli("shards", "list")
        assert [row.split()[:3:2] for row in shown.stdout.splitlines()[1:]] == [
            ["0", str(list(there.values()).count(0))],
            ["1", "away"],
        ]
        assert (shown.exit_code, "shard 1: nothing listens there" in shown.stderr) == (75, True)
        shown = cli("shards", "list", "--json")
        assert (shown.exit_code, [bool(row["away"]) for row in json.loads(shown.stdout)]) == (75, [False, True])
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
    assert "already" in cli("shards", "move", UIDS[0], "--to", "2").output
    assert cli("shards", "move", UIDS[0], "--to", "9").exit_code == 2
    assert cli("shards", "move", "nobody", "--to", "1").exit_code == 3
    link(services, *(f"late{number}" for number in range(6)), phone="+15550004444")
    assert len({number for uid, number in homes(services).items() if uid.startswith("late")}) > 1
    assert services.intake.accept(message("to all", sender=PHONE, dedupe_keys=("x",))).uids == len(UIDS)


def test_one_redis_has_no_shards(services: Services, cli: Cli) -> None:
    assert cli("shards", "list").exit_code == 1
    assert services.moving is None
    assert services.parts == (services,)


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
