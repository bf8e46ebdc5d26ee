"""Deliveries: written down before the call, settled after it. Both steps are fenced by the lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from redis import Redis

from integration_app.errors import LeaseLost
from integration_app.model import Delivery, MessageState, PreparedText
from integration_app.store import codec, keys, lua
from integration_app.store.due import DueSet, Lease
from integration_app.store.quota import USED
from integration_app.store.traffic import Traffic

_BEGIN = """
-- KEYS: lease, due, delivery, open, settling · ARGV: uid, token, lease ms, now ms, delivery id, data, seq, now iso,
--       message prefix, settling ms, settled iso, anew 0/1 (the horizon begins with this try), kind to be admitted or
--       '', number of messages, then their ids, then for each its prepared text, or '' where it is kept already
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return -1 end
-- ours already: the first answer was lost on the way, and the client asks again
if redis.call('ZSCORE', KEYS[4], ARGV[5]) then return 0 end
if ARGV[13] ~= '' then
  local later = admitted(ARGV[1], ARGV[13], tonumber(ARGV[4]))
  if later > 0 then return later end
end
local count = tonumber(ARGV[14])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%d', ARGV[4] + ARGV[3]), ARGV[1])
redis.call('HSET', KEYS[3], 'data', ARGV[6], 'state', 'sending', 'uid', ARGV[1],
  'ids', table.concat(ARGV, ' ', 15, 14 + count))
if tonumber(ARGV[10]) > 0 then redis.call('SET', KEYS[5], ARGV[11], 'PX', ARGV[10]) end
redis.call('ZADD', KEYS[4], ARGV[7], ARGV[5])
for i = 15, 14 + count do
  local message = ARGV[9] .. ARGV[i]
  redis.call('HSET', message, 'state:' .. ARGV[1], 'sending', 'last:' .. ARGV[1], ARGV[4])
  if ARGV[12] == '1' then redis.call('HDEL', message, 'tried:' .. ARGV[1]) end
  redis.call('HSETNX', message, 'tried:' .. ARGV[1], ARGV[8])
  if ARGV[i + count] ~= '' and redis.call('HSETNX', message, 'prepared', ARGV[i + count]) == 1 then
    redis.call('HSET', message, 'parts', 1)
    redis.call('HDEL', message, 'content')
  end
end
return 0
"""

_SETTLE = f"""
-- KEYS: lease, delivery, open, outbox, parked, settling, counters of these minutes, used · ARGV: uid, token,
--       delivery id, delivery state, message state,
--       reason, look at iso or '', final 0/1, ttl s, now ms, story event, message prefix, story prefix,
--       untried 0/1 (the time so far does not count against the retry horizon), settling ms, now iso,
--       settled iso, aftermath: names counted (each with a space behind it), a call was used 0/1,
--       Omi answered 0/1, newest seq seen or '' (then the lease is kept); then message ids
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 0 end
if not redis.call('ZSCORE', KEYS[3], ARGV[3]) then return 1 end
redis.call('HSET', KEYS[2], 'state', ARGV[4], 'reason', ARGV[6], 'look_at', ARGV[7])
if ARGV[4] == 'unknown' and redis.call('HSETNX', KEYS[2], 'unknown_at', ARGV[16]) == 1 and tonumber(ARGV[15]) > 0 then
  redis.call('SET', KEYS[6], ARGV[17], 'PX', ARGV[15])
end
if ARGV[4] ~= 'unknown' then
  redis.call('ZREM', KEYS[3], ARGV[3])
  if ARGV[4] == 'withdrawn' then redis.call('DEL', KEYS[2]) else redis.call('EXPIRE', KEYS[2], ARGV[9]) end
end
if ARGV[4] == 'parked' then redis.call('ZADD', KEYS[5], ARGV[10], ARGV[3]) end
for i = 22, #ARGV do
  local message, story = ARGV[12] .. ARGV[i], ARGV[13] .. ARGV[i]
  redis.call('HSET', message, 'state:' .. ARGV[1], ARGV[5])
  redis.call('RPUSH', story, ARGV[11])
  if ARGV[14] == '1' then redis.call('HDEL', message, 'tried:' .. ARGV[1]) end
  if ARGV[8] == '1' then
    redis.call('ZREM', KEYS[4], ARGV[i])
    local keep = math.max(tonumber(redis.call('HGET', message, 'keep') or 0), tonumber(ARGV[9]))
    redis.call('HSET', message, 'keep', keep)  -- the longest that any of its recipients needs
    if redis.call('HINCRBY', message, 'pending', -1) <= 0 then
      redis.call('EXPIRE', message, keep)
      redis.call('EXPIRE', story, keep)
    end
  end
end
for name in string.gmatch(ARGV[18], '(%S+) ') do count('{keys.COUNTERS}', KEYS[7], name) end
if ARGV[19] == '1' then used(KEYS[8]) end
if ARGV[20] == '1' then answered() end
if ARGV[21] ~= '' then
  local left = redis.call('EXISTS', KEYS[3], KEYS[4])
  release(ARGV[1], left > 0 and ARGV[10] or '', ARGV[21], ARGV[10])
end
return 1
"""

_STATES = {
    "done": (MessageState.DONE, True),
    "parked": (MessageState.PARKED, True),
    "dropped": (MessageState.DROPPED, True),
    "withdrawn": (MessageState.WAITING, False),
    "unknown": (MessageState.SENDING, False),
}
"""Delivery state → state of its messages, and whether they leave the outbox."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What else is to be written in the step that settles a delivery.

    `used`: a call of the uid's quota was used up. `answered`: Omi took a write, so a row of failures has ended.
    `last_seq`: give the outbox back, due again if anything is left in it or newer than this.
    """

    counts: tuple[str, ...] = ()
    used: bool = False
    answered: bool = False
    last_seq: int | None = None


NOTHING_ELSE = Aftermath()


class Deliveries:
    """`due` and `traffic` lend their Lua: a delivery is begun, and ended, in one step with what goes along with it."""

    def __init__(
        self,
        redis: Redis,
        *,
        due: DueSet,
        traffic: Traffic,
        settle: timedelta,
        text_retention: timedelta,
        parked_retention: timedelta,
    ) -> None:
        self._redis = redis
        self._lease_ms = due.lease_ms
        self._settle_pause = settle
        self._text_retention = text_retention
        self._parked_retention = parked_retention
        self._begin = redis.register_script(traffic.lua + _BEGIN)
        self._settle = redis.register_script(lua.COUNT + USED + due.lua + traffic.lua + _SETTLE)

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
        """Write the intent down and renew the lease for the call. Raises `LeaseLost`.

        A time instead of None: no call may be made before it, and nothing is written (only where a call is to be made,
        `calls`). `prepared`: texts by message id that are not kept yet.
        """
        later = self._begin(
            keys=[
                keys.lease(lease.uid),
                keys.DUE,
                keys.delivery(delivery.id),
                keys.open_deliveries(lease.uid),
                keys.settling(delivery.id),
            ],
            args=[
                lease.uid,
                lease.token,
                self._lease_ms,
                codec.ms(now),
                delivery.id,
                codec.dump_delivery(delivery),
                seq,
                now.isoformat(),
                keys.MESSAGE,
                int(self._settle_pause.total_seconds() * 1000),
                (now + self._settle_pause).isoformat(),
                int(delivery.first_tried_at == now),
                delivery.lane.kind.value if calls else "",
                len(delivery.message_ids),
                *delivery.message_ids,
                *(codec.dump_prepared(prepared[name]) if name in prepared else "" for name in delivery.message_ids),
            ],
        )
        if later < 0:
            raise LeaseLost(f"the lease of {lease.uid} was lost before a call")
        return codec.from_ms(later) if later else None

    def settles_in(self, delivery: Delivery) -> timedelta | None:
        """How long a delivery may still turn up in Omi; None when that is over. By Redis's clock, not by a worker's."""
        left = int(self._redis.pttl(keys.settling(delivery.id)))
        return timedelta(milliseconds=left) if left > 0 else None

    def settle(
        self,
        lease: Lease,
        delivery: Delivery,
        state: str,
        *,
        reason: str,
        event: dict[str, Any],
        now: datetime,
        look_at: datetime | None = None,
        untried: bool = False,
        settles: bool = True,
        aftermath: Aftermath = NOTHING_ELSE,
    ) -> None:
        """Record what became of a delivery, in it and in the story of each of its messages. Raises `LeaseLost`.

        `settles`: a call has just ended, so the settling pause begins now. `untried`: the wait was not Omi's doing, so
        the retry horizon of the messages begins anew.
        """
        message_state, final = _STATES[state]
        done = self._settle(
            keys=[
                keys.lease(lease.uid),
                keys.delivery(delivery.id),
                keys.open_deliveries(lease.uid),
                keys.outbox(lease.uid),
                keys.PARKED,
                keys.settling(delivery.id),
                keys.rates_at(now),
                keys.used(lease.uid, delivery.lane.kind.value),
            ],
            args=[
                lease.uid,
                lease.token,
                delivery.id,
                state,
                message_state,
                reason,
                look_at.isoformat() if look_at else "",
                int(final),
                int((self._parked_retention if state == "parked" else self._text_retention).total_seconds()),
                codec.ms(now),
                codec.dumps({"at": now, "uid": lease.uid, "delivery": delivery.id, **event}),
                keys.MESSAGE,
                keys.STORY,
                int(untried),
                int(self._settle_pause.total_seconds() * 1000) if settles else 0,
                now.isoformat(),
                (now + self._settle_pause).isoformat(),
                "".join(f"{name} " for name in (f"deliveries:{state}", *aftermath.counts)),
                int(aftermath.used),
                int(aftermath.answered),
                "" if aftermath.last_seq is None else aftermath.last_seq,
                *delivery.message_ids,
            ],
        )
        if not done:
            raise LeaseLost(f"the lease of {lease.uid} was lost before an outcome was recorded")

    def get(self, delivery_id: str) -> Delivery | None:
        raw = {str(name): str(value) for name, value in self._redis.hgetall(keys.delivery(delivery_id)).items()}
        return codec.load_delivery(raw) if raw else None

    def erase(self, uid: str) -> int:
        """Forget what is in the air for a uid, and its dead letters. Returns how many there were."""
        ids = set(map(str, self._redis.zrange(keys.open_deliveries(uid), 0, -1)))
        for delivery_id in map(str, self._redis.zrange(keys.PARKED, 0, -1)):
            if self._redis.hget(keys.delivery(delivery_id), "uid") == uid:
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
