"""Tries crash points on several lanes side by side; most of the time each of them waits for a lease to run out."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from integration_app import logs
from tests.proof.crash_points import SCENARIOS, WIDE, Finding, Point, points, try_point
from tests.proof.lane import Lane, WideLane


def try_all(lanes: int, *, every: int = 1, wide: bool = False, progress: Any = None) -> list[Finding]:
    """Try every point, or every n-th of them; `wide`: those over two primaries. `progress` is called with the number done
    and the number of all.
    """
    wanted = _record(wide)[::every]
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue()
    found: Any = context.Queue()
    for point in wanted:
        todo.put(point)
    for _ in range(lanes):
        todo.put(None)
    processes = [context.Process(target=_lane, args=(todo, found, wide)) for _ in range(lanes)]
    for process in processes:
        process.start()
    findings: list[Finding] = []
    while len(findings) < len(wanted):
        try:
            findings.append(found.get(timeout=120))
        except queue.Empty:
            raise AssertionError(f"no lane has said anything for 90 s; {len(findings)} points are done") from None
        if progress:
            progress(len(findings), len(wanted))
    for process in processes:
        process.join()
    return findings


def _record(wide: bool) -> Sequence[Point]:
    logs.configure("text", "error")
    with tempfile.TemporaryDirectory(prefix="omi-inbox-proof-") as folder:
        lane = WideLane(Path(folder)) if wide else Lane(Path(folder))
        try:
            return list(points(lane, WIDE if wide else SCENARIOS))
        finally:
            lane.close()


def _lane(todo: Any, found: Any, wide: bool) -> None:
    logs.configure("text", "critical")
    with tempfile.TemporaryDirectory(prefix="omi-inbox-proof-") as folder:
        lane = WideLane(Path(folder)) if wide else Lane(Path(folder))
        try:
            while (point := todo.get()) is not None:
                found.put(try_point(lane, point))
        finally:
            lane.close()
