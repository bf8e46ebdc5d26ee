"""The short form of the random histories; `make proof` runs many more."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from redis import Redis

from integration_app.local.stack import Stack
from tests.proof.histories import Histories


@pytest.mark.usefixtures("settings")
def test_nothing_is_lost_and_nothing_doubled_whatever_happens(
    backing: Stack, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMI_MAX_REQUESTS_PER_MINUTE", "6000")
    machine = type("ShortHistories", (Histories,), {"backing": backing})
    few = settings(
        max_examples=60,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(machine, settings=few)
