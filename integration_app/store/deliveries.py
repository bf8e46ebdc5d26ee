"""Deliveries: written down before the call, settled after it. Both steps are fenced by the lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from redis import Redis

from integration_app.errors import LeaseLost
from integration_app.model import Begun, Delivery, DeliveryState, PreparedText, Reason, Settled
from integration_app.store import codec, keys, stories
from integration_app.store.accounts import name_of
from integration_app.store.due import DueSet, Lease
from integration_app.store.rate_limiter import RateLimiter
from integration_app.store.replication import NO_REPLICATION, Replication
from integration_app.store.scripts import load


@dataclass(frozen=True, slots=True)
class SideEffects:
    """What else is to be written in the step that settles a delivery.

    `used`: a call of the uid's quota was used up. `answered`: Omi took a write, so a streak of failures has ended.
    `last_seq`: give the outbox back, due again if anything is left in it or newer than this.
    """

    counts: tuple[str, ...] = ()
    used: bool = False
    answered: bool = False
    last_seq: int | None = None


NO_SIDE_EFFECTS = SideEffects()


class Deliveries:
    def __init__(
        self,
        redis: Redis,
        *,
        due: DueSet,
        limiter: RateLimiter,
        settle: timedelta,
        text_retention: timedelta,
        parked_retention: timedelta,
        replication: Replication = NO_REPLICATION,
    ) -> None:
        self._redis = redis
        self._replication = replication
        self._lease_ms = due.lease_ms
        self.settle_pause = settle
        self._text_retention = text_retention
        self._parked_retention = parked_retention
        self._begin = load(redis, "begin", limiter.constants)
        self._settle = load(redis, "settle")
        self._seen = load(redis, "seen")

    def begin(
        self,
        lease: Lease,
        delivery: Delivery,
        *,
        seq: int,
        now: datetime,
        calls: bool = True,
        prepared: Mapping[str, PreparedText] = MappingProxyType({}),
    ) -> datetime | None:
        """Write the intent down and renew the lease for the call. Raises `LeaseLost`, and `StoreUnfit` when too few
        replicas have it: then no call may be made.

        A time instead of None: no call may be made before it, and nothing is written (only where a call is to be made,
        `calls`). `prepared`: texts by message id that are not kept yet.
        """
        event = Begun(at=now, uid=lease.uid, delivery=delivery.id, kind=delivery.lane.kind)
        later = (self._replication if calls else NO_REPLICATION).run(
            self._begin,
            lease=keys.lease(lease.uid),
            delivery=keys.delivery(delivery.id),
            open=keys.open_deliveries(lease.uid),
            settling=keys.settling(delivery.id),
            uid=name_of(lease.uid),
            token=lease.token,
            lease_ms=self._lease_ms,
            now_ms=codec.ms(now),
            id=delivery.id,
            data=codec.dump_delivery(delivery),
            seq=seq,
            now_iso=now.isoformat(),
            settling_ms=int(self.settle_pause.total_seconds() * 1000),
            settled_iso=(now + self.settle_pause).isoformat(),
            is_anew=int(delivery.first_tried_at == now),
            kind=delivery.lane.kind.value if calls else "",
            event=stories.dump(event) if calls else "",
            count=len(delivery.message_ids),
            more=[
                *delivery.message_ids,
                *(codec.dump_prepared(prepared[name]) if name in prepared else "" for name in delivery.message_ids),
            ],
        )
        if later < 0:
            raise LeaseLost("the lease was lost before a call")
        return codec.from_ms(later) if later else None

    def settles_in(self, delivery: Delivery) -> timedelta | None:
        """How long a delivery may still turn up in Omi; None when that is over. By Redis's clock, not by a worker's."""
        left = int(self._redis.pttl(keys.settling(delivery.id)))
        return timedelta(milliseconds=left) if left > 0 else None

    def settle(
        self,
        lease: Lease,
        delivery: Delivery,
        event: Settled,
        *,
        look_at: datetime | None = None,
        untried: bool = False,
        settles: bool = True,
        effects: SideEffects = NO_SIDE_EFFECTS,
    ) -> None:
        """Record what became of a delivery, in it and in the story of each of its messages. Raises `LeaseLost`.

        `settles`: a call has just ended, so the settling pause begins now. `untried`: the wait was not Omi's doing, so
        the retry horizon of the messages begins anew.
        """
        state, now = event.state, event.at
        retention = self._parked_retention if state is DeliveryState.PARKED else self._text_retention
        done = self._settle(
            lease=keys.lease(lease.uid),
            delivery=keys.delivery(delivery.id),
            open=keys.open_deliveries(lease.uid),
            settling=keys.settling(delivery.id),
            rates=keys.rates_at(now),
            quota=keys.used(lease.uid, delivery.lane.kind.value),
            uid=name_of(lease.uid),
            token=lease.token,
            id=delivery.id,
            state=state.value,
            message_state=state.message_state.value,
            reason=event.reason,
            cause=event.cause,
            look_at=look_at.isoformat() if look_at else "",
            is_final=int(state.message_state.is_final),
            keep=int(retention.total_seconds()),
            now_ms=codec.ms(now),
            event=stories.dump(event),
            is_untried=int(untried),
            settling_ms=int(self.settle_pause.total_seconds() * 1000) if settles else 0,
            now_iso=now.isoformat(),
            settled_iso=(now + self.settle_pause).isoformat(),
            counts=f"messages:{state}={len(delivery.message_ids)} "
            + "".join(f"{name}=1 " for name in (f"deliveries:{state}", *effects.counts)),
            is_used=int(effects.used),
            is_answered=int(effects.answered),
            last_seq="" if effects.last_seq is None else effects.last_seq,
            ids=delivery.message_ids,
        )
        if not done:
            raise LeaseLost("the lease was lost before an outcome was recorded")

    def seen(self, delivery: Delivery, by: str, *, now: datetime) -> None:
        """Omi shows its conversation (`by`): an open one is settled by the next drain, a dead letter has arrived."""
        event = Settled(
            at=now,
            uid=delivery.uid,
            state=DeliveryState.DONE,
            delivery=delivery.id,
            kind=delivery.lane.kind,
            outcome=f"seen in Omi as {by}",
            reason=Reason.SEEN.sentence,
            cause=Reason.SEEN.key,
        )
        self._seen(
            delivery=keys.delivery(delivery.id),
            open=keys.open_deliveries(delivery.uid),
            uid=name_of(delivery.uid),
            id=delivery.id,
            keep=int(self._text_retention.total_seconds()),
            now_ms=codec.ms(now),
            event=stories.dump(event),
        )

    def get(self, delivery_id: str) -> Delivery | None:
        raw = {str(name): str(value) for name, value in self._redis.hgetall(keys.delivery(delivery_id)).items()}
        return codec.load_delivery(raw) if raw else None

    def erase(self, uid: str) -> int:
        """Forget the deliveries of a uid that are in flight or parked. Returns how many there were."""
        ids = set(map(str, self._redis.zrange(keys.open_deliveries(uid), 0, -1)))
        for delivery_id in map(str, self._redis.zrange(keys.PARKED, 0, -1)):
            if self._redis.hget(keys.delivery(delivery_id), "uid") == name_of(uid):
                ids.add(delivery_id)
        pipe = self._redis.pipeline(transaction=True)
        for delivery_id in ids:
            pipe.delete(keys.delivery(delivery_id), keys.settling(delivery_id))
            pipe.zrem(keys.PARKED, delivery_id)
        pipe.delete(keys.open_deliveries(uid))
        pipe.execute()
        return len(ids)

    def sweep(self, *, before: datetime) -> int:
        """Forget ids of dead letters that are older than their retention."""
        return int(self._redis.zremrangebyscore(keys.PARKED, "-inf", codec.ms(before)))
