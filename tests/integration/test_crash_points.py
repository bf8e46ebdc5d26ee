"""The short form of the crash-point proof; `make proof` tries every point."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.proof.parallel import try_all


@pytest.fixture(autouse=True)
def _environment_as_it_was() -> Iterator[None]:
    """The lanes make their settings those of this process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_a_process_or_redis_killed_at_any_step_loses_and_doubles_nothing() -> None:
    findings = try_all(3, every=23)
    assert len(findings) >= 30
    assert {finding.point.how for finding in findings} == {"before", "after", "redis"}
    wrong = [finding for finding in findings if finding.lost or finding.doubled or finding.ambiguous]
    assert wrong == []
