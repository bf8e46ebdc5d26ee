"""The simulation against the engine: the same trace, through the real drain and the sandbox, makes the same calls."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from integration_app.bootstrap import Services
from integration_app.cli import main
from integration_app.pipeline.rules import Rules
from integration_app.simulation import run, trace
from tests.conftest import Clock
from tests.integration.helpers import link, run_due, text
from tests.sandbox_control import SandboxControl

TRACES = Path(__file__).resolve().parents[2] / "benchmarks" / "traces"


def _evening(clock: Clock, count: int) -> list[trace.Arrival]:
    """Texts of two phones, now in bursts, now alone; more than an hour's quota allows."""
    dice = random.Random(7)  # noqa: S311 - made-up messages
    at, rows = clock() + timedelta(seconds=1), []
    for _ in range(count):
        rows.append(trace.Arrival(at, "u", dice.choice(("+15550001111", "+15550002222")), "sms", 40))
        at += timedelta(seconds=dice.choice((2, 9, 15, 70, 400)))
    return rows


def test_it_makes_the_calls_that_the_engine_makes(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    sandbox.enable("u")
    link(services, "u")
    link(services, "u", phone="+15550002222")
    rows = _evening(clock, 80)
    begin = clock()
    for row in rows:
        _until(services, sandbox, clock, row)
        text(services, "x" * row.chars, sender=row.sender)
    while services.outbox.size("u"):
        at = services.due.oldest()
        assert at is not None
        _move(sandbox, clock, max(at, clock()) + timedelta(milliseconds=1))
        run_due(services, clock)
    calls = [call["status"] for call in sandbox.calls("create_conversation", "u")]
    expected = run.simulate(rows, services.rules, run.Quota(call=timedelta(0)))
    assert clock() - begin > timedelta(hours=1), "the quota has been in the way"
    assert expected.refused > 0
    assert abs(calls.count(200) - expected.calls) <= 1
    # Retry-After is in whole seconds, rounded down: a window may refuse a second time, within its last second
    assert expected.refused <= calls.count(429) <= 2 * expected.refused
    assert expected.messages == 80


def _until(services: Services, sandbox: SandboxControl, clock: Clock, row: trace.Arrival) -> None:
    while (at := services.due.oldest()) is not None and at <= row.at:
        _move(sandbox, clock, max(at, clock()) + timedelta(milliseconds=1))
        run_due(services, clock)
    _move(sandbox, clock, max(row.at, clock()))


def _move(sandbox: SandboxControl, clock: Clock, to: object) -> None:
    span = (to - clock()).total_seconds()  # type: ignore[operator]
    if span > 0:
        sandbox.advance(span)
        clock.pass_time(seconds=span)


@pytest.mark.parametrize("profile", sorted(trace.PROFILES))
def test_the_traces_are_what_the_profiles_make(profile: str) -> None:
    lines = (TRACES / f"{profile}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == list(trace.write(trace.made_up(profile)))
    assert [row.chars for row in trace.read(lines)] == [row.chars for row in trace.made_up(profile)]


def test_nothing_is_lost_and_everything_waits_its_time() -> None:
    rows = trace.made_up("family")
    found = run.simulate(rows, Rules(), run.Quota())
    assert found.messages == len(rows) == len(found.waits)
    assert found.calls + found.merged == found.messages
    assert min(found.waits) >= 3.0


def test_a_longer_quiet_window_costs_fewer_calls_and_more_waiting() -> None:
    short, long = (
        run.simulate(trace.made_up("texter"), Rules(sms_quiet=timedelta(seconds=quiet)), run.Quota())
        for quiet in (5, 60)
    )
    assert long.calls < short.calls
    assert long.wait(0.5) > short.wait(0.5)


def test_the_command(tmp_path: Path) -> None:
    def said(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["simulate", *words])
        return done.exit_code, done.output

    code, shown = said("--profile", "texter", "--limit", "60/min", "--quiet", "0", "--quiet", "20")
    assert code == 0
    assert len(shown.strip().splitlines()) == 3
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"at": "2026-10-01T00:00:00Z", "uid": "u"}\n{"at": "yesterday"}\n')
    assert said("--trace", str(broken)) == (2, f"{broken}: line 2: Invalid isoformat string: 'yesterday'\n")
    assert said("--profile", "texter", "--limit", "often")[0] == 2
    assert said()[0] == 2
    assert said("--trace", str(TRACES / "family.jsonl"), "--json")[0] == 0
