"""An RQ worker with many slots in one process: threads, greenlets under gevent, that each run one job at a time.

RQ's own worker runs one job per process and asks Redis some 27 times for each. This one takes as many jobs as it has
free slots in one call, and acknowledges what has ended in the same call. Leases and the due set stay the truth: what
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
from workers.jobs import run_due
from workers.rq_protocol import Batch, ClaimedJob, RqProtocol
from workers.rq_worker import RqWorker

log = logs.get(__name__)

TICK_SECONDS = 0.2
"""The longest time between two dispatches."""
GATHER_SECONDS = 0.002
"""While jobs wait for a free slot: how long to gather more ends, so that one dispatch serves several."""
LISTEN_SECONDS = 1
FOREIGN_SHARE = 4
"""Jobs of others that do not end hold a quarter of the slots at the most."""
OUTAGE_PAUSE_SECONDS = 1.0
WORKER_TTL_SECONDS = 90
HEARTBEAT_SECONDS = 20
MAINTENANCE_SECONDS = 30


class ConcurrentWorker(RqWorker):
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
        self._foreign_max = max(1, slots // FOREIGN_SHARE)
        self._grace = grace
        self._stop = stop
        self._protocol = RqProtocol(services, services.queue_connection, self.key, self.executions_key, name)
        self._work: SimpleQueue[ClaimedJob | None] = SimpleQueue()
        self._done: deque[tuple[ClaimedJob, float, bool]] = (
            deque()
        )  # slots append what has ended; the next dispatch notes it
        self._dispatching = (
            threading.Lock()
        )  # the dispatcher and the listener both dispatch: this guards the next three
        self._ended: list[ClaimedJob] = []  # noted, not yet acknowledged
        self._worked = 0.0
        self._running: dict[str, ClaimedJob] = {}
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
        slots = [self._thread(self._run_slot, f"slot-{number}") for number in range(self._slots)]
        helpers = [] if burst else [self._thread(self._listen, "listener"), self._thread(self._supervise, "supervisor")]
        worked = False
        try:
            while not self._stop.is_set():
                batch = self._take()
                worked = worked or bool(self._running)
                if burst and batch is not None and not (batch.claimed or batch.dependents or self._running):
                    break
                self._wait(batch)
        finally:
            self._shut_down(slots, helpers)
        return worked

    def _thread(self, target: Any, name: str) -> threading.Thread:
        made = threading.Thread(target=target, name=name, daemon=True)
        made.start()
        return made

    def _take(self) -> Batch | None:
        """Acknowledge finished jobs and fetch up to the free capacity. None while Redis is away, and at the end."""
        with self._dispatching:
            if self._over.is_set():
                return None
            try:
                batch = self._dispatch(self._slots)
            except (RedisError, OSError) as error:
                log.warning("Redis is away", error=type(error).__name__)
                return None
            for job in batch.claimed:
                self._running[job.execution_id] = job
                self._work.put(job)
            return batch

    def _dispatch(self, free: int) -> Batch:
        self._note_ends()
        ended = self._ended
        batch = self._protocol.dispatch(
            ended,
            self._worked,
            free=min(free, self._slots - len(self._running)),
            foreign=self._foreign_max - sum(not self._protocol.is_ours(job) for job in self._running.values()),
            now=self._now(),
        )
        self._ended, self._worked = [], 0.0
        for done in ended:
            if done.job_id in batch.dependents:
                try:
                    self.succeeded(*self.start(done))
                except Exception as error:  # noqa: BLE001 - RQ finds it abandoned, and its dependents with it
                    log.error("a job could not be acknowledged", error=type(error).__name__)
        return batch

    def _still_running(self) -> bool:
        with self._dispatching:
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

    def _wait(self, batch: Batch | None) -> None:
        """Until something comes due, a tick has passed, or the listener asks; while jobs wait, until slots are free."""
        pause = self._pause(batch)
        if self._wants_ends and self._done:
            pause = 0.0  # it ended before this was asked for
        try:
            self._wakes.get(timeout=pause)
            if batch is not None and batch.left:
                time.sleep(GATHER_SECONDS)
            while True:
                self._wakes.get_nowait()
        except Empty:
            return

    def _pause(self, batch: Batch | None) -> float:
        self._wants_ends = True
        if batch is None:
            return OUTAGE_PAUSE_SECONDS
        if batch.suspended or batch.deferred or len(self._running) >= self._slots:
            return TICK_SECONDS
        if batch.left:
            return 0.0
        self._wants_ends = self._burst  # there is room: ends are acknowledged with the next dispatch
        self._waits_for_jobs.set()
        return TICK_SECONDS if batch.until_due is None else min(TICK_SECONDS, batch.until_due)

    def _listen(self) -> None:
        """Block in Redis until there is a job, without taking it: the head of the queue is moved onto itself."""
        queue = self._services.jobs.rq.key
        while not self._over.is_set():
            if not self._waits_for_jobs.wait(LISTEN_SECONDS):
                continue
            try:
                if not self.connection.blmove(queue, queue, LISTEN_SECONDS, "LEFT", "LEFT"):
                    continue
            except (RedisError, OSError):
                self._over.wait(OUTAGE_PAUSE_SECONDS)
                continue
            batch = None if self._stop.is_set() else self._take()
            if batch is None or batch.left or batch.suspended or not batch.claimed:
                self._waits_for_jobs.clear()
                self._wakes.put(None)

    # --- one job ------------------------------------------------------------------------------------------

    def _run_slot(self) -> None:
        while (job := self._work.get()) is not None:
            began = time.monotonic()
            try:
                well = self._run(job)
            except BaseException as error:  # noqa: BLE001 - a slot must not be lost for any reason
                log.error("a job could not be acknowledged", error=type(error).__name__)
                well = False
            self._done.append((job, time.monotonic() - began, well))
            if self._wants_ends:
                self._wakes.put(None)

    def _run(self, claimed: ClaimedJob) -> bool:
        """Run one job. True when it ended well and is still to be acknowledged."""
        meta = self._protocol.is_ours(claimed) and claimed.fields.get(b"meta")
        if not meta:
            self.perform(claimed)
            return False
        try:
            run_due(self._services, json.loads(meta)["uid"])
        except Exception as error:  # noqa: BLE001 - whatever it is, RQ's registry of failed jobs gets it
            log.warning("a drain failed", error=type(error).__name__)
            self.failed(*self.start(claimed), error)
            return False
        return True

    # --- signs of life ------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """Heartbeats for the worker and all it runs, and RQ's maintenance, until the end."""
        while not self._ended_all.wait(HEARTBEAT_SECONDS):
            try:
                if not self._protocol.heartbeat(
                    list(self._running.values()), worker_ttl=WORKER_TTL_SECONDS + 60, now=self._now()
                ):
                    self.connection.delete(self.key)
                    self.register_birth()  # type: ignore[no-untyped-call]
                if self.should_run_maintenance_tasks:
                    self.run_maintenance_tasks()  # type: ignore[no-untyped-call]
            except Exception as error:  # noqa: BLE001 - it is tried again
                log.warning("heartbeat failed", error=type(error).__name__)

    # --- the end ------------------------------------------------------------------------------------------

    def _shut_down(self, slots: list[threading.Thread], helpers: list[threading.Thread]) -> None:
        """Finish what runs, for the grace period; put it down; give the rest back."""
        deadline = time.monotonic() + self._grace
        self._wants_ends = True
        with self._dispatching:
            self._over.set()  # nothing is taken from here on
        while self._still_running() and time.monotonic() < deadline:
            with suppress(Empty):
                self._wakes.get(timeout=min(1.0, max(0.01, deadline - time.monotonic())))
        self._ended_all.set()
        for _ in slots:
            self._work.put(None)
        for thread in helpers:
            thread.join(LISTEN_SECONDS)
        try:
            self._dispatch(0)
            if self._running:
                given = self._protocol.give_back(list(self._running.values()))
                log.warning("not finished in time, given back", jobs=given)
            self.register_death()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            log.warning("could not deregister", error=type(error).__name__)
