"""Wider than one Redis: users spread over several primaries, or over the slots of a cluster.

A shard is a connection and a tag, and holds everything of its users: every script and transaction stays within one. The
directory says which shards a route (a phone, a private address, a uid) leads to. With one shard none of this runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from redis import Redis

from integration_app.store.cluster import SCHEMES, SHARDS, Topology
from integration_app.store.connections import connect
from integration_app.store.identity import greeter


@dataclass(frozen=True, slots=True)
class Shard:
    """Where a part of the users lies. `tag`: what its keys begin with; "" where it has its Redis for itself."""

    url: str
    timeout: float
    greet: Callable[[Any], None]
    tag: str = ""
    topology: Topology | None = None

    @property
    def address(self) -> str:
        """For people: without a password."""
        place = self.url.partition("://")[2].rpartition("@")[2].partition("?")[0]
        return f"{place} {self.tag}".strip()

    def connect(self, *, decode: bool) -> Redis:
        how: dict[str, Any] = {"timeout": self.timeout, "greet": self.greet, "topology": self.topology}
        return connect(self.url, decode=decode, tag=self.tag, **how)


def shards_at(urls: Sequence[str], *, timeout: float, clock: Callable[[], datetime]) -> list[Shard]:
    """Each primary is a shard, and a cluster as many as its URL says. Opens no connection. `timeout` in seconds."""
    if not urls[0].startswith(SCHEMES):
        return [Shard(url, timeout, greeter(clock)) for url in urls]
    topology, count = Topology(urls[0], timeout), urlsplit(urls[0]).path.strip("/")
    tags = [f"{{s{number:03d}}}" for number in range(int(count) if count else SHARDS)]
    return [Shard(urls[0], timeout, greeter(clock, tag), tag, topology) for tag in tags]
