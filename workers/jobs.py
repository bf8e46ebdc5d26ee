"""The only function that RQ ever calls."""

from __future__ import annotations

from integration_app.bootstrap import Services

_services: list[Services] = []


def use(services: Services) -> None:
    """Give the job its services: RQ calls it by name and can hand over nothing but ids."""
    _services[:] = [services]


def drain(uid: str) -> None:
    """Look at one uid's outbox and send what can be sent."""
    if not _services:
        raise RuntimeError("drain runs inside `python -m workers`")
    _services[0].drain.run(uid)
