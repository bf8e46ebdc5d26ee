"""The one RQ queue, the dotted name of the one job, and what Lua needs to put such a job into it.

The name is a string so that the web never imports `workers`; a test resolves it. A job only asks for a drain of a uid's
outbox now: the due set is the truth, so a job that RQ loses costs a moment, never a message.
"""

from __future__ import annotations

import math
from datetime import datetime

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.defaults import RQ_KEY_PREFIX
from rq.executions import ExecutionRegistry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import utcformat

QUEUE_NAME = "omi-inbox"
DRAIN_JOB = "workers.jobs.drain"

_FAILURE_TTL_SECONDS = 24 * 3600
_OWN = ("created_at", "enqueued_at", "meta")
"""What differs from one job to the next. All else of the hash is taken from a job that the installed RQ has made."""


class JobQueue:
    """`constants` are what scripts need to write RQ's keys. `is_apart`: those lie in a Redis of their own, so no script
    that accepts a message can write them.

    The uid travels in the job's meta, which RQ keeps as plain JSON, as it is called in Redis; the compressed call is
    then the same for all jobs.
    """

    def __init__(self, connection: Redis, job_timeout_seconds: float, *, is_apart: bool = False) -> None:
        # RQ keeps bytes in Redis, so `connection` must not decode responses.
        self.rq = Queue(QUEUE_NAME, connection=connection, serializer=JSONSerializer, is_async=True)
        self.is_apart = is_apart
        self._timeout = math.ceil(job_timeout_seconds)  # RQ counts whole seconds, and refuses none
        model = self.job("")
        self.call: bytes = model.to_dict()["data"]  # what every such job calls, as RQ keeps it
        self.constants = _constants(self.rq, model) | {"rq_call": _quoted(self.call)}

    def job(self, name: str) -> Job:
        """Such a job as RQ itself would make it, not yet in the queue. `name`: what the uid is called in Redis."""
        job: Job = self.rq.create_job(
            DRAIN_JOB,
            timeout=self._timeout,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_SECONDS,
            description="drain",  # else RQ renders the call
            meta={"uid": name},
            status=JobStatus.QUEUED,
        )
        return job

    def stamp(self, moment: datetime) -> str:
        """A time as RQ writes it."""
        return str(utcformat(moment))

    def answers(self) -> bool:
        """Whether its Redis is there."""
        try:
            return bool(self.rq.connection.ping())
        except (RedisError, OSError):
            return False

    def length(self) -> int:
        return int(self.rq.count)


def _constants(queue: Queue, model: Job) -> dict[str, str | int]:
    # what is empty says nothing, and RQ reads what is lacking the same way
    fields = {name: value for name, value in model.to_dict().items() if name not in _OWN and value not in ("", None)}
    fields["origin"] = queue.name
    return {
        "rq_queues": _quoted(Queue.redis_queues_keys),
        "rq_queue": _quoted(queue.key),
        "rq_job": _quoted(Job.redis_job_namespace_prefix),
        "rq_fields": ", ".join(f"{_quoted(name)}, {_quoted(value)}" for name, value in fields.items()),
        "rq_execution": _quoted(f"{RQ_KEY_PREFIX}:execution:"),
        "rq_executions": _quoted(ExecutionRegistry.key_template.format("")),
        "rq_suspended": _quoted(WORKERS_SUSPENDED),
    }


def _quoted(value: object) -> str:
    """Any bytes as a literal of Lua."""
    raw = value if isinstance(value, bytes) else (value if isinstance(value, str) else str(value)).encode()
    return "'" + "".join(f"\\{byte:03d}" for byte in raw) + "'"
