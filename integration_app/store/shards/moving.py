"""Moving a user from one shard (the source) to another (the target) while everything runs.

1. Take the user's lease, so that no worker sends for them. Add the target to their entries in the directory.
2. Copy everything, idle, with a manifest of what is to be activated.
3. Cut over: the source removes the user in one transaction, if nothing has changed since the copy was begun; else copy
   again. From here on it forwards to the target, which answers "not yet" (503) until 4.
4. Activate: the target applies the manifest in one transaction.
5. Remove the source from the directory, and clean up there.

A mover that dies is finished by `mend`: after 3 it activates, before it the copy is discarded. One that was only
stopped writes nothing more where another has come since (`turn.py`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from operator import methodcaller
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, WatchError

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.due import Lease
from integration_app.store.packing import Packing
from integration_app.store.replication import Replication
from integration_app.store.shards.copying import Copier, Manifest, discard, manifest_of, own_keys
from integration_app.store.shards.cutover import (
    FORWARD_MS,
    activate,
    cut_over,
    forward_for_a_while,
    forward_no_more,
    forward_to,
)
from integration_app.store.shards.directory import Directory
from integration_app.store.shards.turn import Fence, NotMovedError, Turn
from integration_app.store.stores import Stores

MARK = f"{keys.PREFIX}mover-mark"
TRIES = 20


@dataclass(frozen=True, slots=True)
class Place:
    """One shard as an operator sees it."""

    number: int
    address: str
    users: int
    messages: int
    waiting: int
    used_memory: int


class Moving:
    """`each`: a client of every shard; `stores`: theirs."""

    def __init__(
        self,
        each: Sequence[Redis],
        stores: Sequence[Stores],
        directory: Directory,
        *,
        addresses: Sequence[str],
        retention: timedelta,
        replication: Replication,
        clock: Callable[[], datetime],
    ) -> None:
        self._each = each
        self._stores = stores
        self._directory = directory
        self._addresses = addresses
        self._retention = retention
        self._replication = replication
        self._clock = clock
        self._turn = Turn(each[0])
        self._is_behind = True
        """Something may have been left undone, by another process or by this one."""

    def places(self) -> list[Place]:
        """Every shard, in the order of REDIS_URLS. Raises `StoreUnfit` where that is not theirs, as all of these do."""
        self._directory.check()
        return [self._place(number) for number in range(len(self._each))]

    def _place(self, number: int) -> Place:
        redis = self._each[number]
        return Place(
            number=number,
            address=self._addresses[number],
            users=int(redis.scard(keys.INSTALLATIONS)),
            messages=Packing(redis).count(),
            waiting=int(redis.zcard(keys.DUE)),
            used_memory=int(redis.info("memory").get("used_memory", 0)),
        )

    def shard_of(self, uid: str) -> int | None:
        """Where this user is; None for one who is nowhere."""
        number = self._directory.of(uid)
        return number if self._each[number].hexists(keys.installation(uid), "created_at") else None

    def next_to_move(self) -> tuple[str, int] | None:
        """A user of the fullest shard, and the emptiest; None where all have as many, give or take one."""
        counts = [int(redis.scard(keys.INSTALLATIONS)) for redis in self._each]
        fullest, emptiest = counts.index(max(counts)), counts.index(min(counts))
        if counts[fullest] - counts[emptiest] < 2:
            return None
        found = self._each[fullest].srandmember(keys.INSTALLATIONS)
        return (uid_of(str(found)), emptiest) if found else None

    def move(self, uid: str, number: int) -> None:
        """Raises `NotMovedError` where it cannot be done now; then everything is as it was."""
        self._directory.check()
        if not 0 <= number < len(self._each):
            raise NotMovedError(f"there is no shard {number}")
        if not self._turn.take():
            raise NotMovedError("another command is moving users: wait until it has ended")
        if self._is_behind:
            self.mend()
        is_behind = self._is_behind
        source = self.shard_of(uid)
        if source is None:
            raise NotMovedError("no such user")
        if source == number:
            return
        self._is_behind = True  # until this has come to its end
        self._move(uid, source, number)
        self._is_behind = is_behind

    def _move(self, uid: str, source: int, number: int) -> None:
        due, now = self._stores[source].due, self._clock()
        lease = due.claim(uid, now=now, salt=secrets.token_hex(8))
        if lease is None:
            raise NotMovedError("a worker is sending for this user now: try again")
        try:
            self._copy_and_cut_over(lease, source, number)
        except BaseException:
            due.release(lease, next_at=now, last_seq=0, now=now)
            raise
        self._finish(uid, number)
        self._clean_up(uid, source)

    def mend(self) -> int:
        """Finish what a mover has left behind, and end what is kept for a while. Returns how many were finished."""
        self._directory.check()
        if not self._turn.take():
            return 0
        done, away = 0, 0
        for step, waiting in ((self._finish, keys.ARRIVING), (self._clean_up, keys.DEPARTED)):
            for number, redis in enumerate(self._each):
                try:
                    for name in map(str, redis.hkeys(waiting)):
                        with suppress(NotMovedError):
                            done += step(uid_of(name), number) or 0
                except (RedisError, OSError):  # one that is away now holds up no other; it comes again
                    away += 1
        self._is_behind = away > 0
        return done

    def done(self) -> None:
        """Others may move users now."""
        self._turn.end()

    def forget_mover(self) -> None:
        """One that has died need not be waited for."""
        self._turn.end_of_another()

    # --- the steps ------------------------------------------------------------------------------------------------

    def _copy_and_cut_over(self, lease: Lease, source: int, number: int) -> None:
        """Steps 1 to 3."""
        uid = lease.uid
        here, there, inbox = self._each[source], self._each[number], self._stores[source].inbox
        for _ in range(TRIES):
            fence = self._turn.fence(there)
            if here.get(keys.lease(uid)) != lease.token:
                break
            pipe = here.pipeline(transaction=True)
            try:
                pipe.watch(keys.installation(uid), keys.lease(uid), keys.PROVISIONAL, *own_keys(uid, self._clock()))
                if not pipe.hexists(keys.installation(uid), "created_at"):
                    break  # erased meanwhile
                if ids := inbox.all_of(uid):
                    pipe.watch(*map(keys.message, ids))
                manifest = manifest_of(here, uid, ids)
                for route in (keys.installation(uid), *manifest.routes):
                    self._directory.add(route, number)
                self._discard(fence, number, uid, ids, manifest.deliveries)
                plan = {"from": source, "lease": lease.token, "ids": ids, "manifest": manifest.as_dict()}
                fence.write(methodcaller("hset", keys.ARRIVING, name_of(uid), json.dumps(plan)))
                epoch = self._stores[number].identity.epoch()
                Copier(here, there, fence, retention=self._retention, clock=self._clock).copy(uid, manifest, ids)
                self._replicate(number)
                if self._stores[number].identity.epoch() != epoch:
                    continue  # it has failed over, and may have forgotten the first half
                cut_over(pipe, lease, number, manifest, ids, self._clock())
            except WatchError:
                continue  # a message came, or the user changed something: copy once more
            else:
                return
            finally:
                pipe.reset()
        self._finish(uid, number)
        raise NotMovedError("this user's data changed while it was copied: try again")

    def _replicate(self, number: int) -> None:
        """So that a failover of this shard forgets nothing of it: else the user might be in two, or in none."""
        if not self._replication.has_all(self._each[number], MARK):
            raise NotMovedError("too few replicas have it: try again")

    def _discard(self, fence: Fence, number: int, uid: str, ids: Sequence[str], deliveries: Sequence[str]) -> None:
        discard(self._each[number], fence, uid, ids, deliveries, retention=self._retention, now=self._clock())

    def _activate(self, uid: str, number: int, fence: Fence) -> None:
        """Step 4."""
        redis = self._each[number]
        plan = json.loads(str(redis.hget(keys.ARRIVING, name_of(uid))))
        manifest = Manifest(**plan["manifest"])
        activate(redis, fence, uid, manifest, self._clock())
        if not redis.hexists(keys.installation(uid), "created_at"):  # there was nobody to move
            self._discard(fence, number, uid, plan["ids"], manifest.deliveries)
            fence.write(methodcaller("hdel", keys.ARRIVING, name_of(uid)))
            return
        fence.check()
        self._directory.move(keys.installation(uid), number)
        for route in manifest.routes:  # once more: what it was told before may be lost by a failover
            self._directory.add(route, number)

    def _finish(self, uid: str, place: int) -> int:
        """What a mover of this user has left undone in the target `place`: 1 where there was anything."""
        name, target = name_of(uid), self._each[place]
        if not target.hexists(keys.ARRIVING, name):
            return 0
        fence = self._turn.fence(target)
        raw = target.hget(keys.ARRIVING, name)
        if raw is None:
            return 0
        plan = json.loads(str(raw))
        source, token = plan["from"], plan.get("lease")
        here = self._each[source]
        if token is None or here.get(keys.lease(uid)) == token:
            here.delete(keys.lease(uid))  # first: a mover that is still at it cannot go on
        self._replicate(source)  # before it is asked: what it says now it says after a failover too
        gone = json.loads(str(here.hget(keys.DEPARTED, name) or "{}"))
        if gone.get("to") == place and gone.get("lease") == token:  # not one of long ago
            self._activate(uid, place, fence)
        else:
            self._discard(fence, place, uid, plan["ids"], plan["manifest"]["deliveries"])
            fence.write(methodcaller("hdel", keys.ARRIVING, name))
            self._stores[source].due.set(uid, self._clock())  # its lease is gone
        return 1

    def _clean_up(self, uid: str, source: int) -> None:
        """Step 5. The forwarding stays for a while."""
        redis, name = self._each[source], name_of(uid)
        raw = redis.hget(keys.DEPARTED, name)
        if raw is None:
            return
        left = json.loads(str(raw))
        if redis.hexists(keys.installation(uid), "created_at"):  # they are here again, as a new user
            self._turn.fence(redis).write(partial(forward_no_more, uid, left))
            return
        if self._each[left["to"]].hexists(keys.ARRIVING, name):
            return  # not there yet
        if left["ids"] is not None:
            self._empty(uid, source, left)
        elif codec.ms(self._clock()) - left["at"] > FORWARD_MS:
            self._turn.fence(redis).write(partial(forward_no_more, uid, left))

    def _empty(self, uid: str, source: int, left: dict[str, Any]) -> None:
        redis, target = self._each[source], self._each[left["to"]]
        fence = self._turn.fence(redis)
        if redis.hexists(keys.installation(uid), "created_at"):
            return  # they have come back meanwhile
        if target.hexists(keys.installation(uid), "created_at"):  # else they are gone, or have moved on
            self._replicate(left["to"])
            fence.check()
            self._directory.move(keys.installation(uid), left["to"])
        self._discard(fence, source, uid, left["ids"], left["deliveries"])
        inboxes = [key for key in left.get("inboxes", ()) if redis.get(key) == forward_to(uid, left["to"])]
        fence.write(partial(forward_for_a_while, uid, left, inboxes, self._clock()))
