"""What is kept of a user who moves: packed messages, stories, sealed values; and what is not, of one who leaves."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.store import keys, stories
from integration_app.store.installations import phone_keys
from integration_app.store.shards import moving as moving_module
from integration_app.store.shards.cutover import cut_over
from integration_app.store.shards.turn import NotMovedError
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, pack, text
from tests.sandbox_control import SandboxControl
from tests.shards.helpers import UIDS, Cut, Wide, homes, other_than, told, traces, work
from tests.unit.factories import message


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
