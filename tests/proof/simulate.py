"""`make simulate SEEDS=1-40`: random histories under seeds, on a virtual clock, against the real store and the sandbox.

Pipeline and worker loop run in this process; faults fall between any two commands and calls, Redis forgets what came
after a copy, clocks jump. A seed that fails is printed and replays exactly: `make simulate SEEDS=17`.
`make mutations` proves its worth: ten faults are built into the engine, and each has to be found.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from integration_app import logs
from integration_app.local.stack import Stack
from integration_app.model import Done, Reason, Retry
from integration_app.omi import OutcomeUnknown, Unavailable
from integration_app.pipeline.delivery import drain as drain_module
from integration_app.pipeline.delivery import outcomes as outcomes_module
from integration_app.pipeline.delivery import sending as sending_module
from integration_app.pipeline.delivery.read_back import after_gap as after_gap_module
from integration_app.pipeline.delivery.read_back import reconcile as reconcile_module
from integration_app.store.dead_letters import DeadLetters
from integration_app.store.deliveries import Deliveries
from integration_app.store.due import DueSet
from integration_app.store.ingest import Ingest
from tests.proof.histories import UIDS, Histories

EXAMPLES, STEPS = 20, 40


@click.command()
@click.option("--seeds", default="1-20", show_default=True, help="Such as 17 or 1-40.")
@click.option(
    "--mutations", is_flag=True, help="Build faults into the engine, and count the seeds until each is found."
)
def main(seeds: str, mutations: bool) -> None:
    logs.configure("text", "critical")
    first, _, last = seeds.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, backing(Path(folder)) as stack:
        sys.exit(_mutate(stack, numbers) if mutations else _simulate(stack, numbers))


def _simulate(stack: Stack, seeds: range) -> int:
    begun, delivered, failed = time.monotonic(), 0, 0
    for seed in seeds:
        error, done = run(stack, seed)
        delivered += done
        if error is not None:
            failed += 1
            click.echo(f"seed {seed} fails: {type(error).__name__}: {error}\n  again: make simulate SEEDS={seed}")
    seconds = time.monotonic() - begun
    rate = delivered / seconds * 3600
    click.echo(f"{len(seeds)} seeds, {delivered} deliveries in {seconds:.0f} s ({rate:,.0f} an hour), {failed} failed")
    return 1 if failed else 0


def run(stack: Stack, seed: int) -> tuple[Exception | None, int]:
    """One seed: the error with which it failed, and how many messages were delivered."""

    class Seeded(Histories):
        backing = stack
        delivered = 0

        def teardown(self) -> None:
            super().teardown()
            Seeded.delivered += len(self.accepted) * len(UIDS)  # each message goes to each of them

    how = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        # the seed decides everything: the histories, and within them each choice
        run_state_machine_as_test(hypothesis.seed(seed)(Seeded), settings=how)
    except Exception as error:  # noqa: BLE001 - whatever was broken
        return error, Seeded.delivered
    return None, Seeded.delivered


@contextmanager
def backing(folder: Path) -> Iterator[Stack]:
    stack = Stack(folder, default_ports=False)
    try:
        stack.start_redis()
        stack.start_sandbox()
        with patch.dict(os.environ, stack.env | {"OMI_MAX_REQUESTS_PER_MINUTE": "6000"}):
            yield stack
    finally:
        stack.stop()


# --- mutations ----------------------------------------------------------------------------------------------


def _mutate(stack: Stack, seeds: range) -> int:
    missed = 0
    for name, (owner, attribute, make) in MUTATIONS.items():
        real = getattr(owner, attribute)
        with patch.object(owner, attribute, make(real)):
            tried = next((number for number, seed in enumerate(seeds, 1) if run(stack, seed)[0] is not None), None)
        missed += tried is None
        click.echo(f"{name:52} {'NOT FOUND' if tried is None else f'found by seed number {tried}'}")
    return 1 if missed else 0


def _decides(kind: type[Exception], decision: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def make(real: Any) -> Any:
        return lambda error, at, rules: decision(at) if isinstance(error, kind) else real(error, at, rules)

    return make


def _blindly(real: Any) -> Any:
    return lambda self, delivery_id, **how: real(self, delivery_id, **how | {"blind": True})


def _new_keys(real: Any) -> Any:
    from dataclasses import replace

    def accept(self: Any, message_id: str, message: Any, *args: Any, **how: Any) -> Any:
        return real(self, message_id, replace(message, dedupe_keys=(message_id,)), *args, **how)

    return accept


def _forgets_the_next(real: Any) -> Any:
    return lambda self, lease, **how: real(self, lease, **how | {"next_at": None})


MUTATIONS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "no look into Omi after a gap": (after_gap_module, "suspects", lambda real: lambda *args: []),
    "no read-back: an unknown outcome is sent again": (
        sending_module,
        "decide",
        _decides(OutcomeUnknown, lambda at: Retry(at.now, Reason.NOT_STORED)),
    ),
    "an unknown outcome is taken for a success": (
        sending_module,
        "decide",
        _decides(OutcomeUnknown, lambda at: Done()),
    ),
    "a 503 is taken for a success": (sending_module, "decide", _decides(Unavailable, lambda at: Done())),
    "the read-back always finds nothing": (
        reconcile_module,
        "not_stored",
        lambda real: lambda at, rules: Done(),
    ),
    "the settling pause is not kept": (Deliveries, "settles_in", lambda real: lambda self, delivery: None),
    "a replay does not look": (DeadLetters, "unpark", _blindly),
    "a second delivery of a webhook is another message": (Ingest, "accept", _new_keys),
    "the next due time is lost": (DueSet, "release", _forgets_the_next),
    "messages are grouped in the wrong order": (
        drain_module,
        "plan",
        lambda real: lambda *args: tuple(reversed(real(*args))),
    ),
    "a refusal closes no gate and drops": (
        outcomes_module.Outcomes,
        "apply",
        lambda real: (
            lambda self, run, delivery, decision, attempt: real(
                self, run, delivery, Done() if isinstance(decision, Retry) else decision, attempt
            )
        ),
    ),
}


if __name__ == "__main__":
    main()
