"""The only function that RQ ever calls."""

from __future__ import annotations

from rq import get_current_job

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.store.accounts import uid_of

_services: list[Services] = []


def use(services: Services) -> None:
    """Give the job its services: RQ calls it by name and passes nothing but ids."""
    _services[:] = [services]


def drain() -> None:
    """Look at the outbox of the uid in the job's meta, and send what can be sent."""
    job = get_current_job()
    if job is None:
        raise RuntimeError("drain is called by an RQ worker")
    if not _services:
        use(bootstrap.build())  # RQ's own worker, which knows nothing of us
    _services[0].drain.run(uid_of(job.meta["uid"]))
