"""The one RQ queue, and the dotted name of the one job.

The name is a string so that the web never imports `workers`; a test resolves it. A job is only a hint to look at a
uid's outbox now: the due set is the truth, so a job that RQ loses costs a moment, never a message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE_NAME = "omi-inbox"
DRAIN_JOB = "workers.jobs.drain"

_FAILURE_TTL_SECONDS = 24 * 3600


class JobQueue:
    """Enqueues `drain(uid)`. Arguments are ids only, serialized as JSON, never pickled."""

    def __init__(self, connection: Redis, job_timeout_seconds: float) -> None:
        # RQ keeps bytes in Redis, so `connection` must not decode responses.
        self.rq = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer, is_async=True)
        self._timeout = math.ceil(job_timeout_seconds)  # RQ counts whole seconds, and refuses none

    def enqueue_drains(self, uids: Iterable[str]) -> None:
        """Ask some worker to look at these outboxes, in one round trip or two."""
        jobs = [
            Queue.prepare_data(
                DRAIN_JOB,
                args=(uid,),
                timeout=self._timeout,
                result_ttl=0,
                failure_ttl=_FAILURE_TTL_SECONDS,
                description="drain",  # else RQ renders the arguments
            )
            for uid in uids
        ]
        if jobs:
            self.rq.enqueue_many(jobs)

    def length(self) -> int:
        return int(self.rq.count)
