"""RQ's own way of running a job and ending it, made fit for threads: for all jobs but ours, and for ours that fail."""

from __future__ import annotations

import traceback

from redis import Redis
from redis.exceptions import ResponseError
from rq.callbacks import execute_failure_callback, execute_success_callback
from rq.executions import Execution
from rq.job import Job, JobStatus, Retry
from rq.timeouts import BaseDeathPenalty
from rq.utils import now as rq_now
from rq.worker import BaseWorker

from integration_app import logs
from workers.rq_protocol import ClaimedJob

log = logs.get(__name__)


class NoDeathPenalty(BaseDeathPenalty):
    """Job time-outs are kept by deadlines inside the job; an exception thrown into a thread would hit anywhere."""

    def setup_death_penalty(self) -> None:
        return

    def cancel_death_penalty(self) -> None:
        return


class RqWorker(BaseWorker):
    """What RQ's worker does around one job, with results, callbacks, retries, webhooks and dependents.

    Not kept: a job's time-out, and RQ's log of exceptions, which repeats a job's arguments.
    """

    death_penalty_class = NoDeathPenalty

    def _set_connection(self, connection: Redis) -> Redis:
        """RQ would raise the time-out to more than a minute; a Redis that hangs is to be noticed."""
        return connection

    def _set_ip_address(self, connection: Redis) -> None:
        """Shown by `rq info`. RQ's way names a connection and then looks for the name, which a pool need not keep."""
        try:
            self.ip_address = str(connection.client_info()["addr"])
        except ResponseError:
            self.ip_address = "unknown"

    def perform(self, claimed: ClaimedJob) -> None:
        """Run a foreign job to its end, whatever that is."""
        job, execution = self.start(claimed)
        try:
            result = job.perform()
            job.ended_at = rq_now()
            job._result = result
            if isinstance(result, Retry):
                queue = self.queues[0]
                self.handle_job_retry(job, queue, result, queue.started_job_registry, execution)
                return
            execute_success_callback(job, self.death_penalty_class, result)
            self.succeeded(job, execution)
            job.send_webhooks(JobStatus.FINISHED)
        except BaseException as error:  # noqa: BLE001 - a job that exits has failed; its slot has not
            self.failed(job, execution, error)

    def start(self, claimed: ClaimedJob) -> tuple[Job, Execution]:
        """The job as RQ knows it, and the execution that `dispatch` has written."""
        job = Job(claimed.job_id, connection=self.connection, serializer=self.serializer)
        job.restore(claimed.fields)
        job.started_at = rq_now()
        return job, Execution(claimed.execution_id, claimed.job_id, self.connection, self.name)

    def succeeded(self, job: Job, execution: Execution) -> None:
        job.ended_at = rq_now()
        job._status = JobStatus.FINISHED
        self.handle_job_success(job, self.queues[0], self.queues[0].started_job_registry, execution)

    def failed(self, job: Job, execution: Execution, error: BaseException) -> None:
        """Into RQ's registry of failed jobs, with the place and without the error's text: it may repeat a message."""
        job.ended_at = rq_now()
        job._status = JobStatus.FAILED
        where = f"{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"
        try:
            execute_failure_callback(job, self.death_penalty_class, type(error), error, error.__traceback__)
        except Exception as crash:  # noqa: BLE001 - foreign code
            log.warning("failure callback failed", error=type(crash).__name__)
        job.save_meta()  # what RQ leaves out here may be known to one server alone
        self.handle_job_failure(job, self.queues[0], exc_string=where, execution=execution)
