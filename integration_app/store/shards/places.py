"""The shards as an operator sees them."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from integration_app.store import keys
from integration_app.store.outage import why
from integration_app.store.packing import Packing


@dataclass(frozen=True, slots=True)
class Place:
    """One shard. `away`: why it cannot be asked; its numbers are None then."""

    number: int
    address: str
    users: int | None = None
    messages: int | None = None
    waiting: int | None = None
    used_memory: int | None = None
    away: str = ""


def place_of(number: int, address: str, redis: Redis) -> Place:
    try:
        return Place(
            number=number,
            address=address,
            users=int(redis.scard(keys.INSTALLATIONS)),
            messages=Packing(redis).count(),
            waiting=int(redis.zcard(keys.DUE)),
            used_memory=int(redis.info("memory").get("used_memory", 0)),
        )
    except (RedisError, OSError) as error:
        return Place(number, address, away=why(error)[0])
