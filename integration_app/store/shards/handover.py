"""The two steps of a move that change whose a user is: the old shard lets go, the new one takes up. Each is atomic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from integration_app.store.shards.luggage import COMING, Luggage

DEPARTED = f"{keys.PREFIX}departed"
FORWARDED = timedelta(minutes=2)
"""How long an old shard sends on: far longer than a request takes that has asked the directory before."""
FORWARD_MS = int(FORWARDED.total_seconds() * 1000)


def onward(uid: str, number: int) -> str:
    """What stands in the place of a user who has moved."""
    return f"{keys.FORWARD}{number}:{name_of(uid)}"


def let_go(pipe: Any, uid: str, number: int, luggage: Luggage, ids: Sequence[str], now: datetime) -> None:
    """In one step, if nothing that `pipe` watches has changed; raises redis-py's `WatchError` if it has."""
    name, onwards = name_of(uid), onward(uid, number)
    pipe.multi()
    # no outbox: a worker that was told of it before finds nothing to send
    idle = (keys.installation, keys.lease, keys.poke, keys.outbox, keys.open_deliveries)
    pipe.delete(*(key(uid) for key in idle))
    pipe.hset(keys.installation(uid), "moved_to", onwards)
    pipe.pexpire(keys.installation(uid), FORWARD_MS)
    for key in luggage.phones:
        pipe.srem(key, name)
        pipe.sadd(key, onwards)
    for key in luggage.inboxes:
        pipe.set(key, onwards, px=FORWARD_MS)
    pipe.srem(keys.INSTALLATIONS, name)
    pipe.srem(keys.IMPORTS, name)
    for key in (keys.DUE, keys.LEFT, keys.DAILY, keys.BOOKED):
        pipe.zrem(key, name)
    pipe.hdel(keys.HELD, name)
    for key, rows in luggage.shared.items():
        if rows:
            pipe.zrem(key, *rows)
    left = {"to": number, "at": codec.ms(now), "ids": list(ids), "deliveries": luggage.deliveries}
    pipe.hset(DEPARTED, name, json.dumps(left | {"phones": luggage.phones}))
    pipe.execute()


def take_up(redis: Redis, uid: str, luggage: Luggage, now: datetime) -> None:
    """What lies there idle is the user's from now on, and due at once. Nothing where another has done it."""
    name = name_of(uid)
    pipe = redis.pipeline(transaction=True)
    pipe.watch(f"{COMING}{name}")
    if not pipe.exists(f"{COMING}{name}"):
        pipe.reset()
        return
    pipe.multi()
    pipe.rename(f"{COMING}{name}", keys.installation(uid))
    pipe.persist(keys.installation(uid))
    pipe.hset(keys.installation(uid), "came_ms", codec.ms(now))
    pipe.sadd(keys.INSTALLATIONS, name)
    for key in luggage.phones:
        pipe.sadd(key, name)
    for key, lives in luggage.inboxes.items():
        pipe.set(key, name, px=lives if lives > 0 else None)
    for key, rows in ({keys.MESSAGES: luggage.messages} | luggage.shared).items():
        if rows:
            pipe.zadd(key, rows)
    for key, at in ((keys.LEFT, luggage.left), (keys.DAILY, luggage.daily)):
        if at is not None:
            pipe.zadd(key, {name: at})
    pipe.zadd(keys.DUE, {name: codec.ms(now)})  # a drain says when it is due, if at all
    if luggage.is_importing:
        pipe.sadd(keys.IMPORTS, name)
    pipe.hdel(keys.ARRIVING, name)
    if before := redis.hget(DEPARTED, name):  # they were here a moment ago
        left = json.loads(str(before))
        for key in left["phones"]:
            pipe.srem(key, onward(uid, left["to"]))
        pipe.hdel(DEPARTED, name)
    pipe.execute()
