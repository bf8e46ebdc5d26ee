"""Chaos where users are spread: over three primaries, and over a cluster. What it is otherwise is in chaos.py.

Users share phones, so that most texts are for two shards. They move from one to another all the time, by a process that is
killed too; a primary is killed and comes back; a cluster's slots move to other nodes, and its primaries fail over.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from integration_app import bootstrap, logs
from integration_app.local.stack import Stack
from tests.clusters import Cluster, Primaries
from tests.proof.chaos import KILL_EVERY_SECONDS, SETTINGS, Chaos, Scene, play

PARTS = 6
MOVERS = """
import random, time, traceback
from redis.exceptions import RedisError
from integration_app import bootstrap, logs
from integration_app.errors import StoreUnfit
from integration_app.store.shards.turn import NotMovedError
from tests.clusters import forget_mover
logs.configure("text", "critical")
moving = bootstrap.build().moving
try:
    forget_mover(moving)  # of the one that was killed, or of a worker's, which must not go on then
except RedisError:
    pass
while True:
    uid = f"user{random.randrange(%d)}"
    try:
        moving.move(uid, random.randrange(len(moving.places())))
        print("moved", flush=True)
        time.sleep(0.02)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
        if not isinstance(error, (RedisError, NotMovedError, StoreUnfit)):
            traceback.print_exc()
"""


def over_primaries(messages: int, users: int, *, over_seconds: float, say: Callable[[str], None] = print) -> Chaos:
    """Three primaries, one of which is killed now and then."""
    with tempfile.TemporaryDirectory(prefix="omi-inbox-chaos-") as folder, patch.dict(os.environ):
        primaries = Primaries(Path(folder), 3)
        try:
            return _run(Path(folder), primaries, " ".join(primaries.urls), messages, users, over_seconds, say)
        finally:
            primaries.close()


def over_cluster(messages: int, users: int, *, over_seconds: float, say: Callable[[str], None] = print) -> Chaos:
    """Three primaries with a replica each: they fail over, and slots move between them."""
    with tempfile.TemporaryDirectory(prefix="omi-inbox-chaos-") as folder, patch.dict(os.environ):
        cluster = Cluster(Path(folder), replicas=True, timeout_ms=1000)
        try:
            return _run(Path(folder), cluster, cluster.url(PARTS), messages, users, over_seconds, say)
        finally:
            cluster.close()


def _run(
    folder: Path,
    store: Primaries | Cluster,
    urls: str,
    messages: int,
    users: int,
    over_seconds: float,
    say: Callable[[str], None],
) -> Chaos:
    logs.configure("text", "critical")
    more = {"ACK_REPLICAS": "1", "ACK_WAIT_MS": "500"} if isinstance(store, Cluster) else {}
    settings = SETTINGS | more | {"WEB_CONCURRENCY": "1", "WEB_THREADS": "16", "WORKER_SLOTS": "32"}
    stack = Stack(folder, settings=settings)
    stack.env |= {"REDIS_URL": "", "REDIS_URLS": urls, "RQ_REDIS_URL": stack.env["REDIS_URL"]}
    stack.export()
    first = bootstrap.build()
    first.identity.init(now=first.clock())
    with stack:
        return play(WideScene(stack, store, users, over_seconds / messages), messages, say)


class WideScene(Scene):
    def __init__(self, stack: Stack, store: Primaries | Cluster, users: int, pause: float) -> None:
        self._store = store
        super().__init__(stack, users, 60.0, pause, sharing=2)
        self._mover = self._start_mover()

    def _start_mover(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", MOVERS % len(self.uids)]
        return subprocess.Popen(command, stdout=self.stack.log_file("mover").open("ab"), stderr=subprocess.STDOUT)

    def end(self) -> None:
        self._end_mover()
        self.kills["moves of users"] = self.stack.log_file("mover").read_text().count("moved\n")

    def _end_mover(self) -> None:
        self._mover.kill()
        self._mover.wait()

    def kill_at_random(self, stop: threading.Event) -> None:
        chance = random.Random(20261128)  # noqa: S311 - chaos, but the same chaos each time
        acts = {"web": self._web, "worker": self._worker, "a mover": self._move, "a primary": self._primary}
        if isinstance(self._store, Cluster):
            acts["a slot moved"] = self._slot
        while not stop.wait(KILL_EVERY_SECONDS):
            what = chance.choice(list(acts))
            if acts[what](chance):
                self.kills[what] += 1

    def _web(self, _: random.Random) -> bool:
        self.stack.kill("web")
        self.stack.start("web")
        return True

    def _worker(self, _: random.Random) -> bool:
        self.stack.kill("worker")
        self.stack.start("worker")
        return True

    def _move(self, _: random.Random) -> bool:
        self._end_mover()
        self._mover = self._start_mover()
        return True

    def _primary(self, chance: random.Random) -> bool:
        """It comes back soon; in a cluster its replica takes over before, and it follows that one then."""
        if not isinstance(self._store, Cluster):
            server = chance.choice(self._store.servers)
            server.kill()
            time.sleep(1.0)
            server.start()
            return True
        if not self._store.is_whole():
            return False
        number = self._store.owner(f"{{s{chance.randrange(PARTS):03d}}}")
        self._store.servers[number].kill()
        time.sleep(4.0)
        self._store.servers[number].start()
        return True

    def _slot(self, chance: random.Random) -> bool:
        assert isinstance(self._store, Cluster)
        tag = f"{{s{chance.randrange(PARTS):03d}}}"
        with suppress(Exception):  # a node may be on its way back
            here = self._store.owner(tag)
            others = [number for number in self._store.primaries() if number != here]
            self._store.move(tag, chance.choice(others))
            return True
        return False
