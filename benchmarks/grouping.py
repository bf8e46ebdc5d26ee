"""How few calls a month of messages needs: Q1."""

from __future__ import annotations

import statistics

from benchmarks.harness import ROOT, Row
from integration_app.pipeline.rules import Rules
from integration_app.simulation import run, trace


def calls_per_message() -> Row:
    """Q1: calls to Omi per message on the traces, with the default windows."""
    found, waits = {}, []
    for path in sorted((ROOT / "benchmarks" / "traces").glob("*.jsonl")):
        rows = trace.read(path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = run.simulate(rows, Rules(), run.Quota())
        waits += found[path.stem].waits
    calls, messages = sum(one.calls for one in found.values()), sum(one.messages for one in found.values())
    each = ", ".join(f"{name} {one.calls_per_message:.2f}" for name, one in found.items())
    shown = f"{calls / messages:.3f} in all, half wait no more than {statistics.median(waits):.0f} s; {each}"
    return Row("Q1", "calls to Omi per message on the traces", "≤ 0.35", shown, calls / messages <= 0.35)
