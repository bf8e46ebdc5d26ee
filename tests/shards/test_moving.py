"""A user moves between shards while texts arrive, shards are away and movers die."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.store import keys
from integration_app.store.shards import moving as moving_module
from integration_app.store.shards.cutover import cut_over
from integration_app.store.shards.turn import NotMovedError
from tests.clusters import forget_mover
from tests.conftest import Cli, Clock
from tests.integration.helpers import PHONE, link, text
from tests.sandbox_control import SandboxControl
from tests.shards.helpers import UIDS, Broken, Cut, Wide, fail_once, homes, other_than, work
from tests.unit.factories import message
from workers.jobs import OF_PART, run_due


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


def test_the_command_that_is_repeated_finishes_what_the_one_before_left(
    several: Wide, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = several()
    link(services, *UIDS)
    uid = UIDS[0]
    target = other_than(services, uid)
    assert services.moving

    def dies(*_: Any) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(services.moving, "_finish", dies)
        with pytest.raises(Cut):
            services.moving.move(uid, target)
    forget_mover(services.moving)
    assert cli("shards", "move", uid, "--to", str(target)).exit_code == 0
    assert homes(services)[uid] == target
    again = cli("shards", "move", uid, "--to", str(target))
    assert (again.exit_code, "already" in again.output) == (0, True)


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
