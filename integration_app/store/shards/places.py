"""The shards as an operator sees them."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from integration_app.store import keys
from integration_app.store.packing import Packing


@dataclass(frozen=True, slots=True)
class Place:
    """One shard."""

    number: int
    address: str
    users: int
    messages: int
    waiting: int
    used_memory: int


def place_of(number: int, address: str, redis: Redis) -> Place:
    return Place(
        number=number,
        address=address,
        users=int(redis.scard(keys.INSTALLATIONS)),
        messages=Packing(redis).count(),
        waiting=int(redis.zcard(keys.DUE)),
        used_memory=int(redis.info("memory").get("used_memory", 0)),
    )
