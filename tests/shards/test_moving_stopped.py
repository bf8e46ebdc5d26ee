"""A mover that is stopped (Ctrl-Z, a frozen host) and goes on after others have moved the same user; and the moment in
which a user is in neither shard.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.errors import StoreUnfit
from integration_app.model import Kind, Preferences, Route
from integration_app.model.imports import ImportRow, ImportState
from integration_app.store import keys
from integration_app.store.shards import copying
from integration_app.store.shards import moving as moving_module
from integration_app.store.shards.cutover import activate, cut_over
from integration_app.store.shards.turn import NotMovedError
from tests.clusters import forget_mover
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, text
from tests.sandbox_control import SandboxControl
from tests.shards.helpers import Cut, Wide, homes, other_than, work
from tests.unit.factories import message

UID, OTHER = "user0", "user1"
TEXTS = 12


@pytest.fixture
def ready(several: Wide) -> Services:
    services = several()
    link(services, UID, OTHER)
    for number in range(TEXTS):
        text(services, f"text {number}.")
    return services


class Another:
    """A process that moves users too, and takes ours for dead."""

    def __init__(self, build: Callable[..., Services]) -> None:
        self.moving: Any = build().moving

    def does(self, what: Callable[[Any], object]) -> None:
        forget_mover(self.moving)
        self.moving._is_behind = True
        self.moving.mend()
        what(self.moving)
        self.moving.done()


def each_text_once(services: Services, clock: Clock, sandbox: SandboxControl) -> None:
    assert len(list(services.inbox.of(UID))) == TEXTS
    work(services, clock)
    for uid in (UID, OTHER):
        said = "\n".join(sandbox.texts(uid))
        assert [said.count(f"text {number}.") for number in range(TEXTS)] == [1] * TEXTS


STEPS = ["_copy", "_copy_message", "_know"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [1, 2, 8])
def test_one_that_was_stopped_while_it_copied_writes_nothing_more(
    ready: Services,
    build: Callable[..., Services],
    clock: Clock,
    sandbox: SandboxControl,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: int,
) -> None:
    target, another, calls = other_than(ready, UID), Another(build), [0]
    real = getattr(copying.Copier, step)

    def stopped(self: Any, *args: Any) -> None:
        calls[0] += 1
        if calls[0] == after:
            another.does(lambda moving: moving.move(UID, target))
        real(self, *args)

    assert ready.moving
    with monkeypatch.context() as patched:
        patched.setattr(copying.Copier, step, stopped)
        with pytest.raises(NotMovedError):
            ready.moving.move(UID, target)
    assert homes(ready)[UID] == target
    each_text_once(ready, clock, sandbox)


@pytest.mark.parametrize("after", [1, TEXTS // 2, TEXTS])
def test_one_that_was_stopped_while_it_cleaned_up_leaves_who_came_back_alone(
    ready: Services,
    build: Callable[..., Services],
    clock: Clock,
    sandbox: SandboxControl,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    source, target, another = homes(ready)[UID], other_than(ready, UID), Another(build)
    here: Any = ready.parts[source].due._redis
    calls, real = [0], copying._leave

    def stopped(fence: Any, *args: Any) -> object:
        calls[0] += fence._redis.connection_pool is here.connection_pool
        if calls[0] == after:
            calls[0] += 1
            another.does(lambda moving: moving.move(UID, source))
        return real(fence, *args)

    assert ready.moving
    with monkeypatch.context() as patched:
        patched.setattr(copying, "_leave", stopped)
        with pytest.raises(NotMovedError):
            ready.moving.move(UID, target)
    assert homes(ready)[UID] == source
    each_text_once(ready, clock, sandbox)


def test_one_that_was_stopped_and_is_mended_leaves_nothing_behind(
    ready: Services, build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, another, real = other_than(ready, UID), Another(build), copying.Copier._copy_message

    def stopped(self: Any, *args: Any) -> None:
        another.does(lambda moving: None)
        real(self, *args)

    assert ready.moving
    with monkeypatch.context() as patched:
        patched.setattr(copying.Copier, "_copy_message", stopped)
        with pytest.raises(NotMovedError):
            ready.moving.move(UID, target)
    redis: Any = ready.parts[target].due._redis
    assert not [key for key in redis.scan_iter(f"{keys.PREFIX}*") if UID in key and not key.startswith(keys.AT)]
    assert not [key for key in redis.scan_iter(f"{keys.MESSAGE}*") if any(UID in field for field in redis.hkeys(key))]


def left(services: Services, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The mover died right after this step."""
    real: Callable[..., None] = cut_over if step == "cut_over" else activate

    def dies(*args: Any) -> None:
        real(*args)
        raise Cut

    assert services.moving
    with monkeypatch.context() as patched:
        patched.setattr(moving_module, step, dies)
        with pytest.raises(Cut):
            services.moving.move(UID, other_than(services, UID))


def test_between_two_shards_nothing_is_answered_wrongly_for_as_long_as_it_takes(
    ready: Services, clock: Clock, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ready.installations.get(UID)
    assert before
    source = homes(ready)[UID]
    left(ready, monkeypatch, "cut_over")
    redis: Any = ready.parts[source].due._redis
    assert [redis.pttl(key) for key in (keys.installation(UID), keys.inbox(before.inbox_token))] == [-1, -1]
    clock.pass_time(minutes=10)
    installations, now = ready.installations, clock()
    mail = replace(
        message("a mail", dedupe_keys=("m",)), route=Route.RECIPIENT, sender="a@example.com", channel="email",
        recipients=(str(ready.settings.inbox_address(before.inbox_token)),),
    )  # fmt: skip
    asked: list[Callable[[], object]] = [
        lambda: installations.get(UID),
        lambda: installations.add(UID, now=now),
        lambda: installations.link_phone(UID, "+15550002222"),
        lambda: installations.unlink_phone(UID, PHONE),
        lambda: installations.new_inbox(UID, keep=timedelta(days=1)),
        lambda: installations.prefer(UID, Preferences()),
        lambda: installations.mark_left(UID, now=now),
        lambda: ready.erasure.erase(UID),
        lambda: ready.erasure.export(UID),
        lambda: ready.intake.accept(mail),
        lambda: ready.intake.accept(message("a text", sender=PHONE, dedupe_keys=("t",))),
    ]
    for ask in asked:
        with pytest.raises(StoreUnfit):
            ask()
    assert ["between two of REDIS_URLS: messages for 1 are refused" in row for row in ready.health.away()] == [True]
    assert ready.moving
    ready.moving.mend()
    assert ready.health.away() == []
    assert ready.installations.get(UID) == before
    assert ready.intake.accept(mail).uids == 1
    assert 0 < redis.pttl(keys.inbox(before.inbox_token)) <= 120_000, "what was on its way comes through"
    clock.pass_time(minutes=3)
    ready.moving.mend()
    assert not redis.hkeys(keys.DEPARTED)


def test_erasing_right_after_the_activation_erases(ready: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    left(ready, monkeypatch, "activate")
    ready.erasure.erase(UID)
    assert ready.moving
    ready.moving.mend()
    assert UID not in homes(ready)
    assert list(ready.inbox.of(UID)) == []
    for part in ready.parts:
        redis: Any = part.due._redis
        assert not [key for key in redis.scan_iter(f"{keys.MESSAGE}*") if any(UID in name for name in redis.hkeys(key))]


def test_a_directory_that_names_one_too_many_misleads_nobody(ready: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process had asked all shards right before the move, and notes it after."""
    assert ready.moving
    directory, route, target = ready.moving._directory, keys.installation(UID), other_than(ready, UID)
    asked = directory._ask_all(route)
    ready.moving.move(UID, target)
    directory._note(route, asked)
    assert directory.of(UID) == target
    source: Any = directory._each[1 - target]

    def away(*_: Any) -> None:
        raise RedisError("away")

    with monkeypatch.context() as patched:
        patched.setattr(source, "hexists", away)
        assert directory.of(UID) == target


def test_an_erase_that_a_whole_move_overtakes_is_not_said_to_be_done(
    ready: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready.moving
    moving, directory, target = ready.moving, ready.moving._directory, other_than(ready, UID)
    real = directory.routes_of

    def late(uid: str) -> list[str]:
        found = real(uid)
        moving.move(uid, target)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(directory, "routes_of", late)
        with pytest.raises(StoreUnfit, match="try again"):
            ready.erasure.erase(UID)
    assert len(list(ready.inbox.of(UID))) == TEXTS
    ready.erasure.erase(UID)
    assert UID not in homes(ready)


def test_a_setting_that_a_cut_over_overtakes_is_not_said_to_be_saved(
    ready: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready.moving
    source, directory = homes(ready)[UID], ready.moving._directory
    left(ready, monkeypatch, "cut_over")
    changes: list[Callable[[], object]] = [
        lambda: ready.installations.link_phone(UID, "+15550002222"),
        lambda: ready.installations.unlink_phone(UID, PHONE),
        lambda: ready.installations.prefer(UID, Preferences()),
        lambda: ready.imports.erase(UID),
    ]
    monkeypatch.setattr(directory, "of", lambda uid: source)  # as it was read right before
    for change in changes:
        with pytest.raises(StoreUnfit, match="try again"):
            change()


def test_who_was_there_long_ago_is_not_taken_for_one_who_has_just_left(
    several: Wide,
    clock: Clock,
    sandbox: SandboxControl,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Moved, erased, come back to the first shard; the next mover dies before it cuts over."""
    services = several()
    assert services.moving
    source = services.moving._directory.home(UID)
    link(services, UID)
    services.moving.move(UID, 1 - source)
    services.erasure.erase(UID)
    redis: Any = services.parts[source].due._redis
    redis.delete(keys.installation(UID))  # it has expired
    link(services, UID)
    assert homes(services)[UID] == source
    text(services, "waits.")

    def dies(*_: Any) -> None:
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(moving_module, "cut_over", dies)
        patched.setattr(services.moving, "_is_behind", False)
        with pytest.raises(Cut):
            services.moving.move(UID, 1 - source)
    services.moving.mend()
    assert [part.installations.uids() for part in services.parts].count([UID]) == 1
    work(services, clock)
    assert "\n".join(sandbox.texts(UID)).count("waits.") == 1
    clock.pass_time(minutes=3)
    services.moving.mend()
    assert not redis.hkeys(keys.DEPARTED)


def test_an_import_that_moves_while_it_is_looked_at_goes_on(ready: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ready.moving
    moving, source, target = ready.moving, homes(ready)[UID], other_than(ready, UID)
    rows = [
        ImportRow(key=f"k{number}", kind=Kind.CONVERSATION, text=f"row {number}.", source="other_text", spec="x")
        for number in range(4)
    ]
    ready.imports.draft(UID, "x.csv", rows, 0)
    drafted = ready.imports.status(UID)
    assert drafted
    ready.imports.set_state(UID, drafted.id, ImportState.RUNNING)
    imports: Any = ready.imports
    store, real, calls = imports.each[source], imports.each[source].status, [0]

    def late(uid: str) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            moving.move(UID, target)
        return real(uid)

    monkeypatch.setattr(store, "status", late)
    ready.importing.step()
    assert ready.imports.status(UID) is not None
    assert ready.imports.running() == [UID]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("step", ["_activate", "_empty"])
def test_one_that_was_stopped_says_nothing_of_where_they_are(
    ready: Services, build: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, step: str, place: int
) -> None:
    """Right before its words to the directory, or between them; another brings the user back meanwhile."""
    assert ready.moving
    source, target, another = homes(ready)[UID], other_than(ready, UID), Another(build)
    directory: Any = ready.moving._directory
    placed = directory._placed
    real, moves = placed[place], [0 if step == "_activate" else 1]

    def stopped(**args: Any) -> object:
        if args["is_all"]:
            moves[0] -= 1
            if moves[0] == -1:
                another.does(lambda moving: moving.move(UID, source))
        return real(**args)

    with monkeypatch.context() as patched:
        patched.setattr(directory, "_placed", [stopped if at == place else each for at, each in enumerate(placed)])
        with pytest.raises(NotMovedError):
            ready.moving.move(UID, target)
    assert homes(ready)[UID] == source
    assert directory.of(UID) == source
    assert ready.installations.get(UID) is not None


def test_a_directory_that_is_learned_while_they_are_in_neither_shard_names_both(
    ready: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(ready, monkeypatch, "cut_over")
    for part in ready.parts:
        redis: Any = part.due._redis
        redis.delete(*redis.scan_iter(f"{keys.AT}*"))
    with pytest.raises(StoreUnfit, match="is being moved"):
        ready.installations.get(UID)
    with pytest.raises(StoreUnfit, match="is being moved"):
        ready.installations.add(UID, now=ready.clock())


def test_who_was_erased_right_after_a_move_may_come_back_at_once(ready: Services) -> None:
    assert ready.moving
    ready.moving.move(UID, other_than(ready, UID))
    ready.erasure.erase(UID)
    assert ready.installations.get(UID) is None
    link(ready, UID)
    assert UID in homes(ready)


def test_one_primary_that_is_away_holds_up_no_user_of_the_others(
    several: Wide,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = several(3)
    link(services, UID, OTHER)
    moving: Any = services.moving
    for uid, source in ((UID, 2), (OTHER, 1)):
        moving.move(uid, source)
    real = moving._finish
    monkeypatch.setattr(moving, "_finish", lambda *_: 0)  # both movers died after the cut-over
    for uid in (UID, OTHER):
        monkeypatch.setattr(moving, "_is_behind", False)
        moving.move(uid, 0)
    monkeypatch.setattr(moving, "_finish", real)

    def away(*_: Any) -> None:
        raise RedisError("away")

    with monkeypatch.context() as patched:
        for name in ("hget", "hgetall", "get", "set"):
            patched.setattr(moving._each[2], name, away)
        assert moving.mend() == 1
    assert homes(services) == {OTHER: 0}
    assert moving.mend() == 1
    assert homes(services) == {UID: 0, OTHER: 0}


class StoppedAt:
    """Before its packet `number` to any Redis, `ours` is stopped, and `meanwhile` happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real: Any = AbstractConnection.send_packed_command
        self._left = -1
        self._meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr(AbstractConnection, "send_packed_command", lambda *args, **how: self._send(*args, **how))

    def run(self, number: int, ours: Callable[[], object], meanwhile: Callable[[], object]) -> bool:
        """Whether it came so far."""
        self._left, self._meanwhile = number, meanwhile
        with suppress(NotMovedError, StoreUnfit):
            ours()
        was_stopped, self._left = self._left < 0, -1
        return was_stopped

    def _send(self, connection: Any, *args: Any, **how: Any) -> Any:
        if self._left >= 0:
            self._left -= 1
            if self._left < 0:
                self._meanwhile()
        return self._real(connection, *args, **how)


def _come_back(moving: Any, source: int, target: int) -> None:
    moving.move(UID, target)
    moving.move(UID, source)


EVERY = 7
MEANWHILE: dict[str, Callable[[Any, int, int], object]] = {
    "mended": lambda moving, source, target: None,
    "moved there": lambda moving, source, target: moving.move(UID, target),
    "moved there and back": _come_back,
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_it_may_be_stopped_anywhere(
    several: Wide,
    build: Callable[..., Services],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """Each seventh of its packets, another offset for each of what happens meanwhile."""
    services = several()
    assert services.moving
    moving: Any = services.moving
    another, stopped, at = Another(build), StoppedAt(monkeypatch), list(MEANWHILE).index(what)
    link(services, UID, OTHER)
    ids = [text(services, f"text {number}.") for number in range(2)]
    while True:
        source, target = homes(services)[UID], other_than(services, UID)

        def meanwhile(source: int = source, target: int = target) -> None:
            for part in services.parts:
                part.due._redis.delete(keys.lease(UID))  # it has expired
            another.does(lambda mover: MEANWHILE[what](mover, source, target))

        moving._is_behind = True
        if not stopped.run(at, lambda target=target: moving.move(UID, target), meanwhile):  # type: ignore[misc]
            break
        another.does(lambda mover: mover.mend())
        here = homes(services)[UID]
        assert moving._directory.of(UID) == here, at
        assert services.inbox.states(ids, UID) == ["waiting"] * len(ids), at
        assert services.outbox.size(UID) == len(ids), at
        assert services.installations.with_phone(PHONE) == [UID, OTHER], at
        there: Any = services.parts[1 - here].due._redis
        assert not there.exists(keys.of(UID), keys.outbox(UID), keys.phones(UID)), at
        assert not [key for key in there.scan_iter(f"{keys.MESSAGE}*") if f"state:{UID}" in there.hkeys(key)], at
        at += EVERY
    assert at > 150
