"""Three places joined by cables that can be pulled: here, where a primary runs, and where its replicas run.

Network namespaces of Linux, made with `ip`; only root may. Each place has one address, reached over a cable of its own.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

from tests.sentinels import Place

PRIMARY, OTHERS = "10.203.0.1", "10.203.0.2"


def allowed() -> bool:
    with suppress(OSError, subprocess.CalledProcessError):
        name = f"omi-inbox-try-{os.getpid()}"
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
        return True
    return False


class Net:
    def __init__(self) -> None:
        self._a, self._b = f"omi-inbox-a-{os.getpid()}", f"omi-inbox-b-{os.getpid()}"

    @property
    def places(self) -> tuple[Place, Place]:
        prefix = ("ip", "netns", "exec")
        return Place(PRIMARY, (*prefix, self._a)), Place(OTHERS, (*prefix, self._b))

    def __enter__(self) -> Net:
        for name, address in ((self._a, PRIMARY), (self._b, OTHERS)):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "address", "add", f"{address}/32", "dev", "lo")
        self._cable("omi-a", None, "10.203.1.2", self._a, "10.203.1.1")
        self._cable("omi-b", None, "10.203.2.2", self._b, "10.203.2.1")
        self._cable("omi-ab", self._a, "10.203.3.1", self._b, "10.203.3.2")
        _ip("route", "add", PRIMARY, "via", "10.203.1.1")
        _ip("route", "add", OTHERS, "via", "10.203.2.1")
        self._route_between()
        return self

    def __exit__(self, *_: object) -> None:
        for end in ("omi-a0", "omi-b0"):  # a namespace goes later, when its last connection has ended
            _ip("link", "delete", end)
        for name in (self._a, self._b):
            _ip("netns", "delete", name)

    def cut(self, *, whole: bool) -> None:
        _ip("-n", self._a, "link", "set", "omi-ab0", "down")
        if whole:
            _ip("link", "set", "omi-a0", "down")

    def heal(self) -> None:
        _ip("-n", self._a, "link", "set", "omi-ab0", "up")
        _ip("link", "set", "omi-a0", "up")
        _ip("route", "replace", PRIMARY, "via", "10.203.1.1")
        self._route_between()

    def _route_between(self) -> None:
        _ip("-n", self._a, "route", "replace", OTHERS, "via", "10.203.3.2")
        _ip("-n", self._b, "route", "replace", PRIMARY, "via", "10.203.3.1")

    def _cable(self, name: str, one: str | None, at: str, other: str, there: str) -> None:
        _ip("link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1", "netns", other)
        if one:
            _ip("link", "set", f"{name}0", "netns", one)
        here = ("-n", one) if one else ()
        for side, end, address in ((here, f"{name}0", at), (("-n", other), f"{name}1", there)):
            _ip(*side, "address", "add", f"{address}/30", "dev", end)
            _ip(*side, "link", "set", end, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
