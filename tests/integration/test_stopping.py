"""A signal that arrives while the main thread holds what stopping needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

IN_THE_MIDDLE = """
import os, signal, threading
from workers import stopping
stop = threading.Event()
stopping.at_signals(stop)
with getattr(stop, "_cond", threading.Lock()):  # as within stop.wait() and stop.set()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert not stop.is_set()
assert stop.wait(10)
stopping.TWICE_SECONDS = -1.0
os.kill(os.getpid(), signal.SIGTERM)
"""
WITH_GEVENT = "from gevent import monkey; monkey.patch_all()\n"


@pytest.mark.parametrize("kind", ["", WITH_GEVENT], ids=["threads", "gevent"])
def test_it_stops_whatever_lock_is_held_and_the_next_signal_ends_it(kind: str) -> None:
    ended = subprocess.run([sys.executable, "-c", kind + IN_THE_MIDDLE], timeout=30, capture_output=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b""
