"""A look at one uid: what waits, what is in the air, gates and installation, in one step; with the lease, if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis

from integration_app.model import Gate, Installation
from integration_app.store import codec, keys, outbox
from integration_app.store.due import DueSet, Lease
from integration_app.store.gates import as_gates, scopes
from integration_app.store.installations import as_installation
from integration_app.store.outbox import OutboxView, as_view

CONTENT_MAX = 512 * 1024
"""Bytes of contents that one look brings along; what is larger is fetched when its turn comes."""

_LOOK = f"""
-- KEYS: the gates · ARGV: uid, now ms, lease ms, salt ('': a look only), look behind this seq, at so many messages
local uid, token = ARGV[1], ''
if ARGV[4] ~= '' then
  token = claim(uid, tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])
  if not token then return false end
end
local rows, room = {{}}, {CONTENT_MAX}
local entries = redis.call(
  'ZRANGEBYSCORE', '{keys.OUTBOX}' .. uid, '(' .. ARGV[5], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[6])
for i = 1, #entries, 2 do
  local message = '{keys.MESSAGE}' .. entries[i]
  local got = redis.call('HMGET', message, 'envelope', 'prepared', 'tried:' .. uid, 'last:' .. uid)
  local content = false
  if not got[2] then
    local size = redis.call('HSTRLEN', message, 'content')
    if size > 0 and size <= room then
      content = redis.call('HGET', message, 'content')
      room = room - size
    end
  end
  table.insert(rows, {{entries[i], entries[i + 1], got[1], got[2], got[3], got[4], content}})
end
local open = {{}}
for _, id in ipairs(redis.call('ZRANGE', '{keys.open_deliveries("")}' .. uid, 0, -1)) do
  table.insert(open, redis.call('HGETALL', '{keys.delivery("")}' .. id))
end
local gates = {{}}
for _, key in ipairs(KEYS) do table.insert(gates, redis.call('HGETALL', key)) end
return {{token, rows, open, gates,
  redis.call('HGETALL', '{keys.INSTALLATION}' .. uid), redis.call('SMEMBERS', '{keys.phones("")}' .. uid)}}
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one uid at one moment."""

    lease: Lease
    view: OutboxView
    gates: dict[str, Gate]
    installation: Installation | None


class Looks:
    def __init__(self, redis: Redis, due: DueSet) -> None:
        self._lease_ms = due.lease_ms
        self._look = redis.register_script(due.lua + _LOOK)

    def take(self, uid: str, *, now: datetime, salt: str) -> Sight | None:
        """Take the lease and look; None while another worker has it. `salt` as in `DueSet.claim`."""
        return self._seen(uid, codec.ms(now), salt, after=0, lease=None)

    def again(self, lease: Lease, *, after: int = 0) -> Sight:
        """Another look by the holder of a lease, at what waits behind the seq `after`."""
        found = self._seen(lease.uid, 0, "", after=after, lease=lease)
        assert found is not None  # noqa: S101 - only the taking can fail
        return found

    def _seen(self, uid: str, now: int, salt: str, *, after: int, lease: Lease | None) -> Sight | None:
        names = scopes(uid)
        found = self._look(
            keys=[keys.gate(scope) for scope in names.values()],
            args=[uid, now, self._lease_ms, salt, after, outbox.BATCH],
        )
        if found is None:
            return None
        token, rows, open_rows, gates, installation, phones = found
        return Sight(
            lease=lease or Lease(uid, token),
            view=as_view(rows, [_mapping(flat) for flat in open_rows], after),
            gates=as_gates((name, _mapping(flat)) for name, flat in zip(names, gates, strict=True)),
            installation=as_installation(uid, _mapping(installation), phones),
        )


def _mapping(flat: list[Any]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
