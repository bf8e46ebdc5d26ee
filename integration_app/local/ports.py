"""A port of this machine that nobody has."""

from __future__ import annotations

import socket


class NoPortError(Exception):
    """There is none."""


def free_port(wanted: int) -> int:
    """`wanted` if it is free, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise NoPortError("no free port on 127.0.0.1")
