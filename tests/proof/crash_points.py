"""Every crash point: record each Redis command and each HTTP call of a piece of work, then kill it at each of them.

The work runs in a process of its own, which ends itself with SIGKILL right before or right after the step of that
number. Then it is started again and runs to rest. The sandbox's own record must hold every message exactly once.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import redis.connection
import urllib3.connectionpool

from integration_app.bootstrap import Services
from integration_app.store import due as due_module
from integration_app.web.app import create_app
from tests.clusters import forget_mover
from tests.proof.lane import Lane, close, run_to_rest
from workers.concurrent import ConcurrentWorker


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    texts: tuple[str, ...]
    uids: tuple[str, ...] = ("u",)
    fault: dict[str, Any] | None = None
    door: bool = False  # the web process is killed, not the worker
    moves: bool = False  # users move to another primary meanwhile; all is sent once more after that
    wide: bool = False  # over two primaries


SCENARIOS = (
    Scenario("success", ("hello",)),
    Scenario("two messages", ("one", "two")),
    Scenario("two uids", ("hello",), uids=("u", "v")),
    Scenario("429", ("hello",), fault={"fault": "429", "retry_after": 0.3}),
    Scenario("outcome unknown, stored", ("hello",), fault={"fault": "timeout_after"}),
    Scenario("outcome unknown, not stored", ("hello",), fault={"fault": "drop_before"}),
    Scenario("memories", ("remember: tea",)),
    Scenario("accepting", ("hello",), uids=("u", "v"), door=True),
)
WIDE = (
    Scenario("accepting for two primaries", ("hello",), uids=("u", "x"), door=True, wide=True),
    Scenario("two uids of two primaries", ("hello",), uids=("u", "x"), wide=True),
    Scenario("two uids change places", ("hello",), uids=("u", "x"), moves=True, wide=True),
)
"""`u` and `x` begin in different ones."""


@dataclass(frozen=True, slots=True)
class Point:
    """Step `index` of a scenario. `how`: before or after it the process is killed, or `redis` is."""

    scenario: Scenario
    index: int
    how: str


@dataclass(frozen=True, slots=True)
class Finding:
    point: Point
    lost: int
    doubled: int
    ambiguous: int
    detail: str = ""


class Steps:
    """Counts commands and calls of this process, and does something at one of them."""

    def __init__(self, at: int | None, how: str, act: Callable[[], None]) -> None:
        self.steps = 0
        self._counting = threading.Lock()
        self._at, self._how, self._act = at, how, act
        self._patch(redis.connection.AbstractConnection, "send_packed_command")
        self._patch(urllib3.connectionpool.HTTPConnectionPool, "urlopen")

    def _patch(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def stepped(*args: Any, **kwargs: Any) -> Any:
            with self._counting:
                number = self.steps
                self.steps += 1
            if number == self._at and self._how != "after":
                self._act()
            result = real(*args, **kwargs)
            if number == self._at and self._how == "after":
                self._act()
            return result

        setattr(owner, name, stepped)


def points(lane: Lane, scenarios: tuple[Scenario, ...] = SCENARIOS) -> Iterator[Point]:
    """Every point of every scenario, from one recorded run of each."""
    for scenario in scenarios:
        _prepare(lane, scenario)
        steps = _in_a_process(lane, scenario, None, "before")
        for index in range(steps):
            for how in ("before", "after", "redis"):
                yield Point(scenario, index, how)


def try_point(lane: Lane, point: Point) -> Finding:
    """Kill at this point, start again, run to rest, and count what the sandbox holds."""
    try:
        _prepare(lane, point.scenario)
        _in_a_process(lane, point.scenario, point.index, point.how)
        if point.scenario.door or point.scenario.moves:
            _mend(lane)
            _send_again(lane, point.scenario)
        _finish(lane)
    except Exception as error:  # noqa: BLE001 - a point that cannot be finished is a finding
        return Finding(point, lost=1, doubled=0, ambiguous=0, detail=f"{type(error).__name__}: {error}")
    return _count(lane, point)


def _prepare(lane: Lane, scenario: Scenario) -> None:
    lane.begin(scenario.uids)
    if scenario.fault:
        lane.sandbox.fault(**scenario.fault)
    if not scenario.door:
        services = lane.services()
        _accept(lane, scenario, services)
        close(services)
        time.sleep(0.06)


def _accept(lane: Lane, scenario: Scenario, services: Services) -> list[int]:
    client = create_app(services).test_client()
    statuses = []
    for number, text in enumerate(scenario.texts):
        made = lane.signed(text, f"SM{number:032x}")
        statuses.append(client.post(made.path, headers=dict(made.headers), data=made.body).status_code)
    return statuses


def _send_again(lane: Lane, scenario: Scenario) -> None:
    """A vendor that got no 200 sends it again."""
    services = lane.services()
    for _ in range(50):
        if set(_accept(lane, scenario, services)) == {200}:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the door never answered 200 again")
    close(services)


def _mend(lane: Lane) -> None:
    """What the first worker does that finds a mover dead."""
    services = lane.services()
    if services.moving:
        forget_mover(services.moving)
        services.moving.mend()
        services.moving.done()
    close(services)


def _in_a_process(lane: Lane, scenario: Scenario, at: int | None, how: str) -> int:
    """Do the work in a child process. Returns how many steps it took, if it lived to say so."""
    told, tell = os.pipe()
    asks, ask = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(told)
            os.close(asks)

            def act() -> None:
                if how != "redis":
                    os.kill(os.getpid(), signal.SIGKILL)
                lane.kill_redis()
                os.write(ask, b"!")
                time.sleep(0.25)  # while it is away and coming back, the work goes on into the void

            services = lane.services()
            steps = Steps(at, how, act)
            _work(lane, scenario, services)
            os.write(tell, str(steps.steps).encode())
        except BaseException:  # noqa: BLE001 - whatever it is, this process ends here
            if at is None:
                traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tell)
    os.close(ask)
    watcher: threading.Thread | None = None
    if how == "redis":
        watcher = threading.Thread(target=_bring_back, args=(lane, asks))
        watcher.start()
    os.waitpid(child, 0)
    if watcher is not None:
        watcher.join(10)
    os.close(asks)
    said = os.read(told, 20)
    os.close(told)
    return int(said or b"0")


def _bring_back(lane: Lane, asks: int) -> None:
    """Restart Redis when the child has killed it; the pipe ends without a word when it never got that far."""
    if os.read(asks, 1):
        lane.restart_redis()


def _work(lane: Lane, scenario: Scenario, services: Services) -> None:
    if scenario.door:
        _accept(lane, scenario, services)
    elif scenario.moves:
        assert services.moving
        for uid in scenario.uids:
            services.moving.move(uid, 1 - (services.moving.shard_of(uid) or 0))
    else:
        _worker(services, len(scenario.uids))


def _worker(services: Services, slots: int) -> None:
    """A worker as `python -m workers` runs it, until there is nothing left to take. One slot, so that the step of a number
    is the one that was recorded; two where two uids are what it is about.
    """
    due_module.HINT_REPEAT_MS = 200  # a job that RQ lost is named again after this, not after 5 s
    names = count()

    def work() -> None:
        name = f"w{os.getpid()}-{next(names)}"
        ConcurrentWorker(services, slots=slots, name=name, stop=threading.Event(), grace=5).run(burst=True)

    run_to_rest(services, work)


def _finish(lane: Lane) -> None:
    """Start again, as a process manager does, until nothing is due."""
    services = lane.services()

    def work() -> None:
        for part in services.parts:
            for uid in part.due.promote(now=services.clock(), repeat_ms=200, limit=10):
                part.drain.run(uid)

    run_to_rest(services, work)
    close(services)


def _count(lane: Lane, point: Point) -> Finding:
    lost = doubled = ambiguous = 0
    services = lane.services()
    parked = {delivery.uid for delivery, _ in services.dead_letters.list()}
    close(services)
    for uid in point.scenario.uids:
        held = "\n".join([*lane.sandbox.texts(uid), *(row["content"] for row in lane.sandbox.memories(uid))])
        for text in point.scenario.texts:
            words = text.removeprefix("remember: ")
            times = held.split("\n").count(words if words != text else f"Me: {words}")
            if times == 1 or (times == 0 and uid in parked):
                ambiguous += uid in parked
            lost += times == 0 and uid not in parked
            doubled += times > 1
    return Finding(point, lost, doubled, ambiguous)
