"""What ends a process of ours: the first signal asks, a later one does not wait."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from types import FrameType

TWICE_SECONDS = 1.0
"""Ctrl-C reaches a process from the terminal and from its parent: two signals within this time are one."""


def at_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT set `stop`, once; one that comes later than `TWICE_SECONDS` ends the process with 1.

    From a thread of its own: a handler runs within whatever its thread is doing, and that may hold the event's lock.
    `_thread`, as `Thread.start` takes locks too.
    """
    asked: list[float] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if not asked:
            asked.append(time.monotonic())
            _thread.start_new_thread(stop.set, ())
        elif time.monotonic() - asked[0] > TWICE_SECONDS:
            os._exit(1)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
