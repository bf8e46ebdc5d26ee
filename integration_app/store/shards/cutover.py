"""The two steps of a move that change where a user is: the source cuts over, the target activates. Each is atomic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from redis import Redis

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of
from integration_app.store.due import Lease
from integration_app.store.shards.copying import INCOMING, Manifest
from integration_app.store.shards.turn import Fence

FORWARDED = timedelta(minutes=2)
"""How long the source forwards once they are there: far longer than a request that has read the directory before."""
FORWARD_MS = int(FORWARDED.total_seconds() * 1000)


def forward_to(uid: str, number: int) -> str:
    """What stands in the place of a user who has moved."""
    return f"{keys.FORWARD}{number}:{name_of(uid)}"


def cut_over(pipe: Any, lease: Lease, number: int, manifest: Manifest, ids: Sequence[str], now: datetime) -> None:
    """In one step, if nothing that `pipe` watches has changed; raises redis-py's `WatchError` if it has."""
    uid = lease.uid
    name, onwards = name_of(uid), forward_to(uid, number)
    pipe.multi()
    # no outbox: a worker that was told of it before finds nothing to send
    gone = (keys.installation, keys.lease, keys.poke, keys.outbox, keys.open_deliveries)
    pipe.delete(*(key(uid) for key in gone))
    pipe.hset(keys.installation(uid), "moved_to", onwards)
    for key in manifest.phones:
        pipe.srem(key, name)
        pipe.sadd(key, onwards)
    for key in manifest.inboxes:
        pipe.set(key, onwards)
    pipe.srem(keys.INSTALLATIONS, name)
    pipe.srem(keys.IMPORTS, name)
    for key in (keys.DUE, keys.LEFT, keys.DAILY, keys.BOOKED):
        pipe.zrem(key, name)
    pipe.hdel(keys.HELD, name)
    for key, rows in manifest.shared.items():
        if rows:
            pipe.zrem(key, *rows)
    left = {"to": number, "lease": lease.token, "at": codec.ms(now), "ids": list(ids), "phones": manifest.phones}
    more = {"inboxes": list(manifest.inboxes), "deliveries": manifest.deliveries}
    pipe.hset(keys.DEPARTED, name, json.dumps(left | more))
    pipe.execute()


def forward_for_a_while(uid: str, left: dict[str, Any], inboxes: Sequence[str], now: datetime, pipe: Any) -> None:
    """They are where they wanted to be: what was sent to be forwarded by then comes through. `inboxes`: of these."""
    for key in (keys.installation(uid), *inboxes):
        pipe.pexpire(key, FORWARD_MS)
    pipe.hset(keys.DEPARTED, name_of(uid), json.dumps(left | {"ids": None, "at": codec.ms(now)}))


def forward_no_more(uid: str, left: dict[str, Any], pipe: Any) -> None:
    for key in left["phones"]:
        pipe.srem(key, forward_to(uid, left["to"]))
    pipe.hdel(keys.DEPARTED, name_of(uid))


def activate(redis: Redis, fence: Fence, uid: str, manifest: Manifest, now: datetime) -> None:
    """The copy is live from now on, and due at once. Nothing where it has been activated."""
    name = name_of(uid)
    if not redis.exists(f"{INCOMING}{name}"):
        return
    before = redis.hget(keys.DEPARTED, name)  # they were here a moment ago
    fence.write(partial(_make_live, uid, manifest, json.loads(str(before)) if before else None, now))


def _make_live(uid: str, manifest: Manifest, before: dict[str, Any] | None, now: datetime, pipe: Any) -> None:
    name = name_of(uid)
    pipe.rename(f"{INCOMING}{name}", keys.installation(uid))
    pipe.persist(keys.installation(uid))
    pipe.hset(keys.installation(uid), "came_ms", codec.ms(now))
    pipe.sadd(keys.INSTALLATIONS, name)
    for key in manifest.phones:
        pipe.sadd(key, name)
    for key, lives in manifest.inboxes.items():
        pipe.set(key, name, px=lives if lives > 0 else None)
    for key, rows in ({keys.MESSAGES: manifest.messages} | manifest.shared).items():
        if rows:
            pipe.zadd(key, rows)
    for key, at in ((keys.LEFT, manifest.left), (keys.DAILY, manifest.daily)):
        if at is not None:
            pipe.zadd(key, {name: at})
    pipe.zadd(keys.DUE, {name: codec.ms(now)})  # a drain says when it is due, if at all
    if manifest.is_importing:
        pipe.sadd(keys.IMPORTS, name)
    pipe.hdel(keys.ARRIVING, name)
    if before:
        forward_no_more(uid, before, pipe)
