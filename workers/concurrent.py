"""An RQ worker with many slots in one process: threads that each run one job at a time.

RQ's own worker runs one job per process and asks Redis some 27 times for each. This one takes as many jobs as it has
free slots in one call, and puts down what has ended in the same call. Leases and the due set stay the truth: whatever
is lost between two calls comes due again.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any

from redis.exceptions import RedisError
from rq.serializers import JSONSerializer

from integration_app import logs
from integration_app.bootstrap import Services
from workers.bookkeeping import Bookkeeper
from workers.turn import Taken, Turn, Turns

log = logs.get(__name__)

TICK_SECONDS = 0.2
"""The longest time between two looks into the due set."""
GATHER_SECONDS = 0.002
"""While jobs wait for a free slot: how long more ends are waited for, so that one turn serves several."""
RING_SECONDS = 1
OUTAGE_PAUSE_SECONDS = 1.0
WORKER_TTL_SECONDS = 90
HEARTBEAT_SECONDS = 20
MAINTENANCE_SECONDS = 30


class ConcurrentWorker(Bookkeeper):
    """`slots` jobs at a time until `stop` is set; then it finishes what it runs, for `grace` seconds at the most.

    What takes longer is given back to the queue while its thread goes on: its lease keeps others away from it.
    """

    def __init__(self, services: Services, *, slots: int, name: str, stop: threading.Event, grace: float) -> None:
        super().__init__(
            [services.jobs.rq],
            name=name,
            connection=services.queue_connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
            log_job_description=False,  # the description could repeat arguments
        )
        self._services = services
        self._slots = slots
        self._grace = grace
        self._stop = stop
        self._turns = Turns(services, services.queue_connection, self.key, name)
        self._work: SimpleQueue[Taken | None] = SimpleQueue()
        self._done: deque[tuple[Taken, float, bool]] = deque()  # slots put here what has ended, whoever turns notes it
        self._turning = threading.Lock()  # the dispatcher and the doorbell both turn: this guards the next three
        self._ended: list[Taken] = []  # noted, not yet put down
        self._worked = 0.0
        self._running: dict[str, Taken] = {}
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._wants_ends = True
        self._burst = False
        self._over = threading.Event()  # nothing is taken any more
        self._ended_all = threading.Event()  # nor does anything run here any more
        self._waits_for_jobs = threading.Event()

    # --- the loop -----------------------------------------------------------------------------------------

    def run(self, *, burst: bool) -> bool:
        """Run jobs until `stop`; with `burst`, until there is none left. Returns whether there was any."""
        self._burst = burst
        self.register_birth()  # type: ignore[no-untyped-call]
        hands = [self._thread(self._hand, f"slot-{number}") for number in range(self._slots)]
        helpers = (
            [] if burst else [self._thread(self._doorbell, "doorbell"), self._thread(self._supervise, "supervisor")]
        )
        worked = False
        try:
            while not self._stop.is_set():
                turn = self._take()
                worked = worked or bool(self._running)
                if burst and turn is not None and not (turn.taken or turn.special or self._running):
                    break
                self._wait(turn)
        finally:
            self._go_home(hands, helpers)
        return worked

    def _thread(self, target: Any, name: str) -> threading.Thread:
        made = threading.Thread(target=target, name=name, daemon=True)
        made.start()
        return made

    def _take(self) -> Turn | None:
        """One turn: put down what has ended, take what there is room for. None while Redis is away, and at the end."""
        with self._turning:
            if self._over.is_set():
                return None
            try:
                turn = self._turn(self._slots)
            except (RedisError, OSError) as error:
                log.warning("Redis is away", error=type(error).__name__)
                return None
            for job in turn.taken:
                self._running[job.execution_id] = job
                self._work.put(job)
            return turn

    def _turn(self, free: int) -> Turn:
        self._note_ends()
        ended = self._ended
        turn = self._turns.take(ended, self._worked, free=min(free, self._slots - len(self._running)), now=self._now())
        self._ended, self._worked = [], 0.0
        for done in ended:
            if done.job_id in turn.special:
                try:
                    self.succeeded(self.job(done))
                except Exception as error:  # noqa: BLE001 - RQ finds it abandoned, and its dependents with it
                    log.error("a job could not be put down", error=type(error).__name__)
        return turn

    def _still_running(self) -> bool:
        with self._turning:
            self._note_ends()
            return bool(self._running)

    def _now(self) -> datetime:
        return self._services.clock()

    def _note_ends(self) -> None:
        while self._done:
            job, seconds, well = self._done.popleft()
            self._running.pop(job.execution_id, None)
            self._worked += seconds
            if well:
                self._ended.append(job)

    def _wait(self, turn: Turn | None) -> None:
        """Until something comes due, a tick has passed, or the doorbell asks; while jobs wait, until slots are free."""
        pause = self._pause(turn)
        if self._wants_ends and self._done:
            pause = 0.0  # it ended before anybody wanted to know
        try:
            self._wakes.get(timeout=pause)
            if turn is not None and turn.left:
                time.sleep(GATHER_SECONDS)
            while True:
                self._wakes.get_nowait()
        except Empty:
            return

    def _pause(self, turn: Turn | None) -> float:
        self._wants_ends = True
        if turn is None:
            return OUTAGE_PAUSE_SECONDS
        if turn.suspended or len(self._running) >= self._slots:
            return TICK_SECONDS
        if turn.left:
            return 0.0
        self._wants_ends = self._burst  # there is room: ends are put down with the next turn, whenever it comes
        self._waits_for_jobs.set()
        return TICK_SECONDS if turn.until_due is None else min(TICK_SECONDS, turn.until_due)

    def _doorbell(self) -> None:
        """Sleep in Redis until there is a job, without taking it: the head of the queue is moved onto itself."""
        queue = self._services.jobs.rq.key
        while not self._over.is_set():
            if not self._waits_for_jobs.wait(RING_SECONDS):
                continue
            try:
                if not self.connection.blmove(queue, queue, RING_SECONDS, "LEFT", "LEFT"):
                    continue
            except (RedisError, OSError):
                self._over.wait(OUTAGE_PAUSE_SECONDS)
                continue
            turn = None if self._stop.is_set() else self._take()
            if turn is None or turn.left or turn.suspended or not turn.taken:
                self._waits_for_jobs.clear()
                self._wakes.put(None)

    # --- one job ------------------------------------------------------------------------------------------

    def _hand(self) -> None:
        while (job := self._work.get()) is not None:
            began = time.monotonic()
            try:
                well = self._run(job)
            except BaseException as error:  # noqa: BLE001 - a slot must not be lost for any reason
                log.error("a job could not be put down", error=type(error).__name__)
                well = False
            self._done.append((job, time.monotonic() - began, well))
            if self._wants_ends:
                self._wakes.put(None)

    def _run(self, taken: Taken) -> bool:
        """Run one job. True when it ended well and is still to be put down."""
        uid = taken.fields.get(b"data") == self._services.jobs.call and taken.fields.get(b"meta")
        if not uid:
            self.perform(taken)
            return False
        try:
            self._services.drain.run(json.loads(uid)["uid"])
        except Exception as error:  # noqa: BLE001 - whatever it is, RQ's registry of failed jobs gets it
            log.warning("a drain failed", error=type(error).__name__)
            self.failed(self.job(taken), error)
            return False
        return True

    # --- signs of life ------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Heartbeats for the worker and all it runs, and RQ's maintenance, until the end."""
        while not self._ended_all.wait(HEARTBEAT_SECONDS):
            try:
                if not self._turns.heartbeat(
                    list(self._running.values()), worker_ttl=WORKER_TTL_SECONDS + 60, now=self._now()
                ):
                    self.connection.delete(self.key)
                    self.register_birth()  # type: ignore[no-untyped-call]
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
            except Exception as error:  # noqa: BLE001 - it is tried again
                log.warning("no sign of life", error=type(error).__name__)

    # --- the end ------------------------------------------------------------------------------------------

    def _go_home(self, hands: list[threading.Thread], helpers: list[threading.Thread]) -> None:
        """Finish what runs, for the grace period; put it down; give the rest back."""
        deadline = time.monotonic() + self._grace
        self._wants_ends = True
        with self._turning:
            self._over.set()  # nothing is taken from here on
        while self._still_running() and time.monotonic() < deadline:
            with suppress(Empty):
                self._wakes.get(timeout=min(1.0, max(0.01, deadline - time.monotonic())))
        self._ended_all.set()
        for _ in hands:
            self._work.put(None)
        for thread in helpers:
            thread.join(RING_SECONDS)
        try:
            self._turn(0)
            if self._running:
                given = self._turns.give_back(list(self._running.values()))
                log.warning("not finished in time, given back", jobs=given)
            self.register_death()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            log.warning("left without a goodbye", error=type(error).__name__)
