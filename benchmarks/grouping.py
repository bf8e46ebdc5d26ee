"""How few calls a month of messages needs: Q1."""

from __future__ import annotations

from benchmarks.harness import ROOT, Row
from integration_app.pipeline.rules import Rules
from integration_app.simulation import run, trace


def calls_per_message() -> Row:
    """Q1: calls to Omi per message on the traces, with the default windows."""
    found = {}
    for path in sorted((ROOT / "benchmarks" / "traces").glob("*.jsonl")):
        rows = trace.read(path.read_text(encoding="utf-8").splitlines())
        found[path.stem] = run.simulate(rows, Rules(), run.Quota()).calls_per_message
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    return Row("Q1", "calls to Omi per message on the traces", "≤ 0.4", shown, max(found.values()) <= 0.4)
