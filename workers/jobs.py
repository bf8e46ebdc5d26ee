"""The only function that RQ ever calls."""

from __future__ import annotations

from rq import get_current_job

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.store.accounts import uid_of
from integration_app.store.due import ENDPOINT

_services: list[Services] = []


OF_PART = "@"
"""Behind the number of the part of the users that a name is of, where there are several."""


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
    run_due(_services[0], job.meta["uid"])


def run_due(services: Services, name: str) -> None:
    """Work on what has come due: a uid's outbox, or an endpoint of the operator's."""
    number, _, name = name.rpartition(OF_PART)
    services = services.parts[int(number or 0)]
    if name.startswith(ENDPOINT):
        services.dispatch.run(name.removeprefix(ENDPOINT))
    else:
        services.drain.run(uid_of(name))
