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
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from operator import methodcaller
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, WatchError

from integration_app.store import codec, keys
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.due import Lease
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
from integration_app.store.shards.directory import PLACES, Directory
from integration_app.store.shards.places import Place, place_of
from integration_app.store.shards.turn import Fence, NoSuchUserError, NotMovedError, Turn
from integration_app.store.stores import Stores

MARK = f"{keys.PREFIX}mover-mark"
TRIES = 20
_AGAIN_SECONDS = 5.0
"""Between two looks at what others have left, where one was away."""


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
        self._mend_at = math.inf

    def places(self) -> list[Place]:
        """Every shard, in the order of REDIS_URLS. Raises `StoreUnfit` where that is not theirs, as all of these do."""
        with suppress(RedisError, OSError):  # of one that is away
            self._directory.check()
        return [place_of(number, self._addresses[number], redis) for number, redis in enumerate(self._each)]

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

    def move(self, uid: str, number: int) -> bool:
        """False for a user who is there already. Raises `NotMovedError` where it cannot be done now; then everything is
        as it was.
        """
        self._directory.check()
        if not 0 <= number < len(self._each):
            raise NotMovedError(f"there is no shard {number}")
        if not self._turn.take():
            raise NotMovedError("another command is moving users: wait until it has ended")
        if self._is_behind or time.monotonic() > self._mend_at:
            self.mend()
        source = self.shard_of(uid)
        if source is None:
            raise NoSuchUserError("no such user")
        if source == number:
            return False
        self._is_behind = True  # until this has come to its end
        self._move(uid, source, number)
        self._is_behind = False
        return True

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
        done, away = 0, set[int]()
        for uid, number, plan in self._left(keys.ARRIVING, away):
            done += self._mend(self._finish, uid, number, plan["from"], away)
        for uid, number, left in self._left(keys.DEPARTED, away):
            if not self._is_resting(left):
                self._mend(self._clean_up, uid, number, left["to"], away)
        self._is_behind, self._mend_at = False, time.monotonic() + (_AGAIN_SECONDS if away else math.inf)
        return done

    def _left(self, key: str, away: set[int]) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """What stands under this key in each shard that is not `away`: user, shard, what is known of the move."""
        for number, redis in enumerate(self._each):
            try:
                rows = redis.hgetall(key) if number not in away else {}
            except (RedisError, OSError):
                away.add(number)
                continue
            yield from ((uid_of(str(name)), number, json.loads(str(raw))) for name, raw in rows.items())

    def _mend(self, step: Callable[[str, int], int | None], uid: str, number: int, other: int, away: set[int]) -> int:
        """One that is away holds up no others, and is asked once."""
        if away & {number, other}:
            return 0
        try:
            self._turn.go_on()
            return step(uid, number) or 0
        except NotMovedError:
            return 0
        except (RedisError, OSError):
            away.add(other)
            return 0

    def _is_resting(self, left: Mapping[str, Any]) -> bool:
        """Nothing is left but to forward."""
        return left["ids"] is None and codec.ms(self._clock()) - left["at"] <= FORWARD_MS

    def done(self) -> None:
        """Others may move users now."""
        self._turn.end()

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

    def _activate(self, uid: str, number: int, fence: Fence, plan: Mapping[str, Any]) -> None:
        """Step 4."""
        redis = self._each[number]
        manifest = Manifest(**plan["manifest"])
        activate(redis, fence, uid, manifest, self._clock())
        if not redis.hexists(keys.installation(uid), "created_at"):  # there was nobody to move
            self._discard(fence, number, uid, plan["ids"], manifest.deliveries)
            fence.write(methodcaller("hdel", keys.ARRIVING, name_of(uid)))
            return
        self._lead(uid, number, {number: fence})
        for route in manifest.routes:  # once more: what it was told before may be lost by a failover
            self._directory.add(route, number)

    def _lead(self, uid: str, number: int, known: Mapping[int, Fence]) -> None:
        """The directory leads to this shard alone, from now on."""
        fences = {place: known.get(place) or self._turn.fence(self._each[place]) for place in PLACES}
        self._directory.move(keys.installation(uid), number, fences)

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
            self._activate(uid, place, fence, plan)
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
            self._lead(uid, left["to"], {source: fence})
        self._discard(fence, source, uid, left["ids"], left["deliveries"])
        inboxes = [key for key in left.get("inboxes", ()) if redis.get(key) == forward_to(uid, left["to"])]
        fence.write(partial(forward_for_a_while, uid, left, inboxes, self._clock()))
