"""A worker's words with RQ's keys, one script each: dispatch, heartbeat, give back.

The keys and their contents are RQ's own, so that everything that reads them keeps working: `rq info`, the registries,
dashboards, RQ's own workers on the same queue.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from integration_app.store import due
from integration_app.store.scripts import load
from workers.jobs import OF_PART

AHEAD = 200
"""Jobs that may wait in RQ, where that lies beside the due set: what is due beyond them waits there and is not lost.
From a queue elsewhere no more is asked for than there are free slots.
"""
EXECUTION_SECONDS = 90
"""Without a heartbeat for so long, RQ takes a job for abandoned."""

REST_SECONDS = 2.0
"""How long a part of the users whose Redis is away is not asked what is due."""

LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that is ours to run. `fields`: its hash as RQ keeps it."""

    job_id: str
    execution_id: str
    fields: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """`dependents`: jobs that ended and are not acknowledged, because another waits for them: RQ's own way is needed.
    `left`: jobs still in the queue. `until_due` in seconds. `deferred`: jobs of others that have to wait for a slot.
    """

    claimed: Sequence[ClaimedJob]
    left: int
    dependents: Sequence[str]
    until_due: float | None
    suspended: bool
    deferred: int = 0


class RqProtocol:
    """Everything that a worker says to RQ's keys."""

    def __init__(self, services: Services, redis: Redis, worker_key: str, executions_key: str, name: str) -> None:
        self._name = name
        self._stamp = services.jobs.stamp
        self._due = [part.due for part in services.parts] if services.jobs.is_apart else []
        self._rests: dict[int, float] = {}
        self._first = 0
        queue = services.jobs.rq
        self._queue = queue.key
        self._call = services.jobs.call
        self._worker = worker_key
        self._registries = {"started": queue.started_job_registry.key, "worker_executions": executions_key}
        constants = {**services.jobs.constants, **due.CONSTANTS}
        self._dispatch = load(redis, "dispatch", constants, LUA)
        self._heartbeat = load(redis, "heartbeat", constants, LUA)
        self._give_back = load(redis, "give_back", constants, LUA)

    def dispatch(self, ended: Sequence[ClaimedJob], worked: float, *, free: int, foreign: int, now: datetime) -> Batch:
        """Acknowledge `ended` (after `worked` seconds in all), fetch up to `free` jobs, of them `foreign` that are not
        ours; with 0 nothing else is done.

        A Redis error comes through; what was to be acknowledged may be handed in again.
        """
        until, promoted = self._promoted(free, now)
        suspended, until_due, left, dependents, deferred, *rows = self._dispatch(
            **self._registries,
            queue=self._queue,
            worker=self._worker,
            now_ms=int(now.timestamp() * 1000),
            stamp=self._stamp(now),
            free=free,
            foreign=max(0, foreign),
            ahead=AHEAD,
            again_ms=due.HINT_REPEAT_MS,
            name=self._name,
            salt=secrets.token_hex(14),
            ttl=EXECUTION_SECONDS,
            worked=f"{worked:.6f}",
            is_apart=int(bool(self._due)),
            count=2 * len(ended),
            more=[*_pairs(ended), *promoted],
        )
        return Batch(
            claimed=[ClaimedJob(job_id.decode(), run.decode(), _fields(flat)) for job_id, run, flat in rows],
            dependents=[job_id.decode() for job_id in dependents],
            left=left,
            until_due=until_due / 1000 if until_due >= 0 else until,
            suspended=bool(suspended),
            deferred=deferred,
        )

    def _promoted(self, free: int, now: datetime) -> tuple[float | None, Sequence[str]]:
        """What is due, where that is not asked for in the same script: no more than this worker has slots for. One of
        several that is away holds up none of the others: it is asked again after a pause.
        """
        untils: list[float] = []
        found: list[str] = []
        self._first += 1  # none is always the last
        for place in range(len(self._due) if free else 0):
            number = (self._first + place) % len(self._due)
            if time.monotonic() < self._rests.get(number, 0.0):
                continue
            try:
                until, names = self._due[number].turn(now=now, repeat_ms=due.HINT_REPEAT_MS, limit=free - len(found))
            except (RedisError, OSError):
                if len(self._due) == 1:
                    raise
                self._rests[number] = time.monotonic() + REST_SECONDS
                continue
            untils += [] if until is None else [until]
            found += [f"{number}{OF_PART}{name}" if number else name for name in names]
            if len(found) >= free:
                break
        return min(untils, default=None), found

    def heartbeat(self, running: Sequence[ClaimedJob], *, worker_ttl: int, now: datetime) -> bool:
        """Keep the worker and what it runs alive. False when Redis does not know this worker any more."""
        return bool(
            self._heartbeat(
                **self._registries,
                worker=self._worker,
                now_ms=int(now.timestamp() * 1000),
                stamp=self._stamp(now),
                ttl=EXECUTION_SECONDS,
                worker_ttl=worker_ttl,
                is_idle=int(not running),
                running=self._marked(running),
            )
        )

    def give_back(self, running: Sequence[ClaimedJob]) -> int:
        """Put jobs that will not be finished here back to the head of the queue. Returns how many."""
        return int(self._give_back(**self._registries, queue=self._queue, running=self._marked(running)))

    def _marked(self, running: Sequence[ClaimedJob]) -> list[str]:
        return [part for job in running for part in (job.job_id, job.execution_id, str(int(not self.is_ours(job))))]

    def is_ours(self, job: ClaimedJob) -> bool:
        """Whether it calls what our jobs call."""
        return job.fields.get(b"data") == self._call


def _pairs(jobs: Sequence[ClaimedJob]) -> list[str]:
    return [part for job in jobs for part in (job.job_id, job.execution_id)]


def _fields(flat: list[Any]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
