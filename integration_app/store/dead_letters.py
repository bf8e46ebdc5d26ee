"""Dead letters: parked deliveries, put back into their outboxes or dropped; replays of many, at a capped rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from redis import Redis

from integration_app.model import Delivery, DroppedByOperator, Replayed
from integration_app.store import codec, keys, stories
from integration_app.store.scripts import load

_REMEMBER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """`rate` in dead letters per minute; `by` says who started it and why these."""

    id: str
    state: str
    total: int
    done: int
    rate: float
    started_at: datetime
    by: str


class DeadLetters:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._one = load(redis, "unpark")
        self._step = load(redis, "replay_step")
        self._drop = load(redis, "drop_dead_letter")

    def list(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[tuple[Delivery, datetime]]:
        """Parked deliveries with the time at which they were parked, oldest first."""
        low = codec.ms(since) if since else "-inf"
        high = codec.ms(until) if until else "+inf"
        rows: list[tuple[str, float]] = self._redis.zrangebyscore(keys.PARKED, low, high, withscores=True)  # type: ignore[assignment]
        pipe = self._redis.pipeline(transaction=False)
        for delivery_id, _ in rows:
            pipe.hgetall(keys.delivery(delivery_id))
        found = zip(rows, pipe.execute(), strict=True)
        return [(codec.load_delivery(raw), codec.from_ms(at)) for (_, at), raw in found if raw]

    def size(self) -> int:
        return int(self._redis.zcard(keys.PARKED))

    def parked_at(self, delivery_id: str) -> datetime | None:
        score = self._redis.zscore(keys.PARKED, delivery_id)
        return None if score is None else codec.from_ms(score)

    def unpark(self, delivery_id: str, *, now: datetime, event: Replayed, blind: bool = False) -> int:
        """Put the messages of one dead letter back into their outbox. Returns how many; 0 when it was none.

        Omi is read before anything is sent, unless `blind`.
        """
        return int(self._one(id=delivery_id, now_ms=codec.ms(now), event=stories.dump(event), blind=_flag(blind)))

    def drop(self, delivery_id: str, *, event: DroppedByOperator) -> bool:
        """Drop one dead letter and its text."""
        return bool(self._drop(delivery=keys.delivery(delivery_id), id=delivery_id, event=stories.dump(event)))

    # --- replays of many ----------------------------------------------------------------------------------

    def start(
        self, replay_id: str, ids: Sequence[str], *, rate: float, by: str, now: datetime, blind: bool = False
    ) -> None:
        """Begin to put these back, `rate` a minute; maintenance carries it on."""
        pipe = self._redis.pipeline(transaction=True)
        values: dict[str, str | int | float] = {
            "state": "running",
            "rate": rate,
            "started_ms": codec.ms(now),
            "next_ms": codec.ms(now),
            "done": 0,
            "total": len(ids),
            "by": by,
            "blind": _flag(blind),
        }
        pipe.hset(keys.replay(replay_id), mapping=values)  # type: ignore[arg-type]
        pipe.rpush(keys.replay_ids(replay_id), *ids)
        for key in (keys.replay(replay_id), keys.replay_ids(replay_id)):
            pipe.expire(key, int(_REMEMBER.total_seconds()))
        pipe.sadd(keys.REPLAYS, replay_id)
        pipe.execute()

    def step(self, *, now: datetime) -> int:
        """Carry every running replay on as far as its rate allows by now."""
        moved = 0
        for replay_id in map(str, self._redis.smembers(keys.REPLAYS)):
            moved += int(
                self._step(
                    replay=keys.replay(replay_id),
                    ids=keys.replay_ids(replay_id),
                    replay_id=replay_id,
                    now_ms=codec.ms(now),
                    event=stories.dump(Replayed(at=now, replay=replay_id)),
                )
            )
        return moved

    def cancel(self, replay_id: str) -> bool:
        """Stop a running replay; what it has not put back stays parked."""
        status = self.status(replay_id)
        if status is None or status.state != "running":
            return False
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.replay(replay_id), "state", "cancelled")
        pipe.srem(keys.REPLAYS, replay_id)
        pipe.delete(keys.replay_ids(replay_id))
        pipe.execute()
        return True

    def status(self, replay_id: str) -> ReplayStatus | None:
        raw = {str(name): str(value) for name, value in self._redis.hgetall(keys.replay(replay_id)).items()}
        if not raw:
            return None
        return ReplayStatus(
            id=replay_id,
            state=raw["state"],
            total=int(raw["total"]),
            done=int(raw["done"]),
            rate=float(raw["rate"]),
            started_at=codec.from_ms(raw["started_ms"]),
            by=raw["by"],
        )


def _flag(value: bool) -> str:
    return "1" if value else ""
