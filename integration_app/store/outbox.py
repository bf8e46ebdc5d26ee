"""One uid's outbox: the messages that wait for it, in the order of arrival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from integration_app.model import Delivery, WaitingMessage
from integration_app.store import codec, keys

BATCH = 1000
"""Messages looked at in one go; what lies behind them waits for the next look."""


@dataclass(frozen=True, slots=True)
class OutboxView:
    """`last_seq` is the newest message seen: whatever is newer arrived after this look."""

    waiting: tuple[WaitingMessage, ...]
    open: tuple[Delivery, ...]
    last_seq: int
    more: bool


class Outbox:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def view(self, uid: str, *, after: int = 0) -> OutboxView:
        """What waits behind `after` in the order of arrival, and what is in the air.

        Messages of an open delivery are not among the waiting ones. Contents stay behind: they may be large.
        """
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrangebyscore(keys.outbox(uid), f"({after}", "+inf", start=0, num=BATCH, withscores=True)
        pipe.zrange(keys.open_deliveries(uid), 0, -1)
        entries, open_ids = pipe.execute()
        pipe = self._redis.pipeline(transaction=False)
        for message_id, _ in entries:
            names = ("envelope", "prepared", f"tried:{uid}", f"last:{uid}")
            pipe.hmget(keys.message(message_id), names)
        for delivery_id in open_ids:
            pipe.hgetall(keys.delivery(delivery_id))
        rows = pipe.execute()
        waiting = [(message_id, seq, *row, None) for (message_id, seq), row in zip(entries, rows, strict=False)]
        return as_view(waiting, rows[len(entries) :], after)

    def size(self, uid: str) -> int:
        return int(self._redis.zcard(keys.outbox(uid)))

    def sizes(self, uids: Sequence[str]) -> dict[str, int]:
        """How much waits for each of them, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for uid in uids:
            pipe.zcard(keys.outbox(uid))
        return dict(zip(uids, map(int, pipe.execute()), strict=True))

    def erase(self, uid: str) -> None:
        self._redis.delete(keys.outbox(uid))


def as_view(rows: Sequence[Sequence[Any]], open_rows: Sequence[dict[str, str]], after: int) -> OutboxView:
    """From rows of id, seq, envelope, prepared, tried, last, content, each of the last five possibly None."""
    deliveries = tuple(codec.load_delivery(raw) for raw in open_rows if raw)
    flying = {message_id for delivery in deliveries for message_id in delivery.message_ids}
    waiting = tuple(
        WaitingMessage(
            id=message_id,
            seq=int(seq),
            message=codec.load_message(envelope, None),
            prepared=codec.load_prepared(prepared) if prepared else None,
            content=codec.load_content(content) if content else None,
            first_tried_at=codec.moment(tried),
            tried_at=codec.from_ms(last) if last else None,
        )
        for message_id, seq, envelope, prepared, tried, last, content in rows
        if envelope and message_id not in flying
    )
    return OutboxView(
        waiting=waiting,
        open=deliveries,
        last_seq=int(rows[-1][1]) if rows else after,
        more=len(rows) == BATCH,
    )
