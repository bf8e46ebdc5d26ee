"""An RQ worker that can live in a thread.

RQ's own worker wants the main thread: it installs signal handlers, raises time-outs out of SIGALRM and listens for
commands in one more thread. Here the process handles signals, and every call has a deadline of its own, so a job ends
by itself.
"""

from __future__ import annotations

import threading
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq.exceptions import StopRequested
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.timeouts import BaseDeathPenalty
from rq.worker import SimpleWorker

POLL_SECONDS = 1
"""How long a worker waits for a job before it looks whether it should stop."""


class NoDeathPenalty(BaseDeathPenalty):
    """Job time-outs are kept by deadlines inside the job; exceptions thrown into a thread would hit anywhere."""

    def setup_death_penalty(self) -> None:
        return

    def cancel_death_penalty(self) -> None:
        return


class ThreadWorker(SimpleWorker):
    """Takes one job after the other until `stop` is set, then ends between two jobs."""

    death_penalty_class = NoDeathPenalty
    max_connection_wait_time = 2.0  # RQ would double up to a minute: too long after Redis is back

    def __init__(self, queue: str, connection: Redis, stop: threading.Event, name: str) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=60,
            maintenance_interval=30,
            log_job_description=False,  # the description could repeat arguments
        )
        self._stop = stop

    def bootstrap(self, *_: Any, **__: Any) -> None:
        """Only the birth: no log handlers of RQ's own, no thread that listens for commands."""
        self.register_birth()  # type: ignore[no-untyped-call]

    def _install_signal_handlers(self) -> None:
        return

    def unsubscribe(self) -> None:
        return

    def procline(self, message: str) -> None:
        """One title for eight threads would say nothing."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """RQ waits for a Redis that is away for as long as it takes; a worker that shall stop must not."""
        try:
            super().heartbeat(timeout, pipeline)
        except RedisError:
            if self._stop.is_set():
                raise StopRequested from None
            raise

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,
        max_idle_time: int | None = None,
    ) -> tuple[Job, Queue] | None:
        while not self._stop.is_set():
            taken: tuple[Job, Queue] | None = super().dequeue_job_and_maintain_ttl(POLL_SECONDS, POLL_SECONDS)
            if taken is not None:
                return taken
        raise StopRequested
