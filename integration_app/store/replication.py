"""Acknowledged means replicated: how many replicas must have a write before it counts.

WAIT, not WAITAOF: a fsync of the local file is the business of appendfsync.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis

from integration_app.errors import StoreUnfit
from integration_app.store.scripts import Script


@dataclass(frozen=True, slots=True)
class Replication:
    """`replicas` that must have it within `wait_ms`; 0 asks for none."""

    replicas: int = 0
    wait_ms: int = 1000

    def run(self, script: Script, **given: Any) -> Any:
        """Run it, and wait. Raises `StoreUnfit` when too few have it: it is written, and a failover may lose it."""
        if not self.replicas:
            return script(**given)
        answer, acknowledged = script.replicated(self.replicas, self.wait_ms, **given)
        if acknowledged < self.replicas:
            raise StoreUnfit(f"{acknowledged} of {self.replicas} replicas have it after {self.wait_ms} ms")
        return answer

    def has_all(self, redis: Redis, mark: str) -> bool:
        """Whether so many replicas have everything that this server was told by now, by anybody. `mark`: a key for a
        write of this connection's own, for WAIT looks no further back.
        """
        if not self.replicas:
            return True
        pipe = redis.pipeline(transaction=False)
        pipe.set(mark, 1, ex=60)
        pipe.execute_command("WAIT", self.replicas, self.wait_ms)
        return int(pipe.execute()[1]) >= self.replicas


NO_REPLICATION = Replication()
