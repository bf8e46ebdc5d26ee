"""Scripts of many threads go to Redis together, and each gets its own outcome."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from integration_app.store import line as line_module
from integration_app.store.connections import connect
from integration_app.store.line import Line


def packed(redis: Redis, *command: Any) -> bytes:
    return b"".join(redis.connection_pool.connection_kwargs["command_packer"].pack(*command))


@pytest.fixture
def client(settings: dict[str, str], redis: Redis) -> Iterator[Redis]:
    made = connect(settings["REDIS_URL"], decode=True, timeout=1.0)
    yield made
    made.close()


class Held:
    """A pool whose first connection is given out when it is told: what is asked meanwhile gathers."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.opened, self.asked = threading.Event(), threading.Event()
        self.batches = 0
        self.dies = False

    def get_connection(self) -> Any:
        self.batches += 1
        if self.batches == 1:
            self.asked.set()
            assert self.opened.wait(10)
            if self.dies:
                raise SystemExit
        return self._pool.get_connection()

    def release(self, connection: Any) -> None:
        self._pool.release(connection)


@contextmanager
def gathered(client: Redis, commands: list[bytes], *, dies: bool = False) -> Iterator[tuple[list[Any], Held]]:
    """The outcomes of commands, all asked while the first one is on its way."""
    held = Held(client.connection_pool)
    held.dies = dies
    line: Any = Line(held, 1)
    outcomes: list[Any] = [None] * len(commands)

    def ask(number: int) -> None:
        try:
            outcomes[number] = line.ask(commands[number])
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            outcomes[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(commands))]
    threads[0].start()
    assert held.asked.wait(10)
    for number, thread in enumerate(threads[1:]):
        thread.start()
        while len(line._waiting) <= number:
            time.sleep(0.001)
    held.opened.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert line._in_flight == 0
    assert not line._waiting
    yield outcomes, held


def test_those_that_wait_go_together_and_errors_stay_with_their_own(client: Redis) -> None:
    client.set("a", "text")
    commands = [packed(client, "ECHO", str(number)) for number in range(20)]
    commands[7] = packed(client, "LPUSH", "a", "x")
    with gathered(client, commands) as (outcomes, held):
        assert held.batches == 2
    assert isinstance(outcomes.pop(7), ResponseError)
    assert outcomes == [str(number) for number in range(20) if number != 7]


def test_a_thread_that_is_ended_takes_no_others_with_it(client: Redis) -> None:
    commands = [packed(client, "ECHO", str(number)) for number in range(5)]
    with gathered(client, commands, dies=True) as (outcomes, _):
        assert isinstance(outcomes[0], SystemExit)
        assert outcomes[1:] == ["1", "2", "3", "4"]


class Late:
    """A lock behind which one thread stays until it is told."""

    def __init__(self, name: str) -> None:
        self._lock, self._name = threading.Lock(), name
        self.left, self.goes_on = threading.Event(), threading.Event()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if threading.current_thread().name == self._name and not self.left.is_set():
            self.left.set()
            assert self.goes_on.wait(10)


def test_a_thread_whose_turn_comes_before_it_waits_takes_none_of_its_batch_with_it(client: Redis) -> None:
    held = Held(client.connection_pool)
    line: Any = Line(held, 1)
    line._changing = late = Late("leader")
    outcomes: dict[str, Any] = {}

    def ask(name: str) -> None:
        outcomes[name] = line.ask(packed(client, "ECHO", name))

    threads = {name: threading.Thread(target=ask, args=(name,), name=name) for name in ("first", "leader", "follower")}
    threads["first"].start()
    assert held.asked.wait(10)
    threads["leader"].start()
    assert late.left.wait(10)
    threads["follower"].start()
    while len(line._waiting) < 2:
        time.sleep(0.001)
    held.opened.set()
    threads["first"].join(10)  # it has handed over
    late.goes_on.set()
    for thread in threads.values():
        thread.join(10)
    assert outcomes == {name: name for name in threads}


def test_two_that_are_ended_leave_the_third_its_answer(client: Redis) -> None:
    """The one whose turn it is, and one that waits in its batch."""
    script = """
from gevent import monkey; monkey.patch_all()
import gevent, sys
from integration_app.store.connections import connect
from integration_app.store.line import Line
redis = connect(sys.argv[1], decode=True, timeout=5.0)
line, pool = Line(redis.connection_pool, 1), redis.connection_pool
packed = lambda *words: b"".join(pool.connection_kwargs["command_packer"].pack(*words))
first = gevent.spawn(line.ask, packed("BLPOP", "nothing", "0.3")); gevent.sleep(0.1)
leader = gevent.spawn(line.ask, packed("BLPOP", "nothing", "1"))
waiting, third = [gevent.spawn(line.ask, packed("ECHO", word)) for word in ("2", "3")]
gevent.sleep(0.5)
waiting.kill(); leader.kill()
print(third.get(timeout=10), line.ask(packed("ECHO", "4")), line._in_flight)
"""
    url = client.connection_pool.connection_kwargs
    made = f"redis://{url['host']}:{url['port']}/{url['db']}"
    done = subprocess.run([sys.executable, "-c", script, made], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["3", "4", "0"], done.stderr


def test_a_fork_begins_with_nothing_in_flight(client: Redis) -> None:
    line: Any = Line(client.connection_pool, 1)
    line._in_flight, line._waiting = 1, [object()]
    line_module._begin_all()
    assert line.ask(packed(client, "ECHO", "x")) == "x"


def test_a_connection_that_breaks_in_between_costs_no_answer_and_repeats_none_that_has_come(client: Redis) -> None:
    commands = [packed(client, "INCR", "first"), packed(client, "INCR", "second")]
    commands += [packed(client, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"), packed(client, "INCR", "third")]
    with gathered(client, commands) as (outcomes, _):
        pass
    assert outcomes[0] == 1
    assert outcomes[3] in (1, 2), "it may be repeated, and has an answer"


def test_a_server_that_is_away_is_told_to_all(client: Redis) -> None:
    away = connect("redis://127.0.0.1:1/0", decode=True, timeout=0.2)
    with gathered(away, [packed(away, "ECHO", "x")] * 4) as (outcomes, _):
        assert all(isinstance(outcome, RedisConnectionError) for outcome in outcomes)


def test_a_crowd_does_not_wait_a_time_out_for_each_batch(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "TOGETHER_MAX", 2)
    away = connect("redis://127.0.0.1:1/0", decode=True, timeout=0.2)
    with gathered(away, [packed(away, "ECHO", "x")] * 9) as (outcomes, held):
        assert all(isinstance(outcome, RedisConnectionError) for outcome in outcomes)
        assert held.batches == 2, "the first one, and two in the name of all who came meanwhile"


def test_a_script_that_takes_too_long_leaves_no_answer_for_the_next(client: Redis) -> None:
    slow = packed(client, "BLPOP", "nothing", "3")
    with gathered(client, [packed(client, "ECHO", "0"), slow, packed(client, "ECHO", "2")]) as (outcomes, _):
        assert outcomes[0] == "0"
        assert isinstance(outcomes[1], RedisTimeoutError)
        assert isinstance(outcomes[2], RedisTimeoutError)
    line = client.connection_pool.line  # type: ignore[attr-defined]
    with ThreadPoolExecutor(16) as pool:
        numbers = [str(number) for number in range(2000)]
        assert list(pool.map(lambda number: line.ask(packed(client, "ECHO", number)), numbers)) == numbers
