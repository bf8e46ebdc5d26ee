"""RQ's own way of running a job and ending it, made fit for threads: for all jobs but ours, and for ours that fail."""

from __future__ import annotations

import threading
import traceback
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError
from rq.executions import Execution
from rq.job import Job, JobStatus, Retry
from rq.timeouts import BaseDeathPenalty
from rq.utils import now as rq_now
from rq.worker import BaseWorker

from integration_app import logs
from workers.turn import Taken

log = logs.get(__name__)


class NoDeathPenalty(BaseDeathPenalty):
    """Job time-outs are kept by deadlines inside the job; an exception thrown into a thread would hit anywhere."""

    def setup_death_penalty(self) -> None:
        return

    def cancel_death_penalty(self) -> None:
        return


class Bookkeeper(BaseWorker):
    """What RQ's worker does around one job, with results, callbacks, retries, webhooks and dependents.

    Not kept: a job's time-out, and RQ's log of exceptions, which repeats a job's arguments.
    """

    death_penalty_class = NoDeathPenalty

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._here = threading.local()  # RQ keeps the execution of "the" job in an attribute; here each thread has one
        super().__init__(*args, **kwargs)

    @property
    def execution(self) -> Execution | None:
        return getattr(self._here, "execution", None)

    @execution.setter
    def execution(self, value: Execution | None) -> None:
        self._here.execution = value

    def _set_connection(self, connection: Redis) -> Redis:
        """RQ would raise the time-out to more than a minute; a Redis that hangs is to be noticed."""
        return connection

    def _set_ip_address(self, connection: Redis) -> None:
        """Shown by `rq info`. RQ's way names a connection and then looks for the name, which a pool need not keep."""
        try:
            self.ip_address = str(connection.client_info()["addr"])
        except ResponseError:
            self.ip_address = "unknown"

    def perform(self, taken: Taken) -> None:
        """Run a job of somebody else's to its end, whatever that is."""
        job, queue = self.job(taken), self.queues[0]
        try:
            result = job.perform()
            job.ended_at = rq_now()
            job._result = result
            if isinstance(result, Retry):
                assert self.execution is not None  # noqa: S101 - `job` has just set it
                self.handle_job_retry(job, queue, result, queue.started_job_registry, self.execution)
                return
            job.execute_success_callback(self.death_penalty_class, result)
            self.succeeded(job)
            job.send_webhooks(JobStatus.FINISHED)
        except BaseException as error:  # noqa: BLE001 - a job that exits has failed; its slot has not
            self.failed(job, error)

    def job(self, taken: Taken) -> Job:
        """The job as RQ knows it, running in this thread."""
        job = Job(taken.job_id, connection=self.connection, serializer=self.serializer)
        job.restore(taken.fields)
        job.started_at = rq_now()
        self.execution = Execution(taken.execution_id, taken.job_id, self.connection, self.name)
        return job

    def succeeded(self, job: Job) -> None:
        job.ended_at = rq_now()
        job._status = JobStatus.FINISHED
        self.handle_job_success(job, self.queues[0], self.queues[0].started_job_registry)

    def failed(self, job: Job, error: BaseException) -> None:
        """Into RQ's registry of failed jobs, with the place and without what was said: that may repeat a message."""
        job.ended_at = rq_now()
        job._status = JobStatus.FAILED
        where = f"{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"
        try:
            job.execute_failure_callback(self.death_penalty_class, type(error), error, error.__traceback__)
        except Exception as crash:  # noqa: BLE001 - somebody else's code
            log.warning("a failure callback failed", error=type(crash).__name__)
        self.handle_job_failure(job, self.queues[0], exc_string=where)
