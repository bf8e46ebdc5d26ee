"""A port of this machine that nobody has."""

from __future__ import annotations

import socket


class NoPortError(Exception):
    """There is none."""


_TRIES = 100
_given: set[int] = set()


def free_port(wanted: int) -> int:
    """`wanted` if it is free, else any free port that was not given before: who has it may not listen yet."""
    for port in (wanted, *[0] * _TRIES):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
        if port or found not in _given:
            _given.add(found)
            return found
    raise NoPortError("no free port on 127.0.0.1")
