"""Accepting a message: one atomic step that dedupes, finds whose it is, saves it, puts it into every outbox, sets every
uid due, asks for a worker and counts; or does nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from redis import Redis

from integration_app.addresses import listings
from integration_app.model import InboundMessage, Route
from integration_app.store import codec, inbox, keys, lua
from integration_app.store import due as due_module
from integration_app.store.installations import inbox_tokens, spellings

_ACCEPT = """
-- KEYS: message, story, messages, due, seq, quarantine, counters, counters of these minutes, then one per dedupe key
-- ARGV:
local id, envelope, content, now, dedupe_ttl, unread_ttl = unpack(ARGV, 1, 6)
local event, outbox, of, of_max, installation, stamp = unpack(ARGV, 7, 12)
local due, hint_due, counted, route, address, domain = unpack(ARGV, 13, 18)
-- then, for a user without a list of senders, with the sender on it, and not on it: what is thought, and held 0/1;
-- then what the route needs: uids, or keys that lead to uids

for i = 9, #KEYS do
  local known = redis.call('GET', KEYS[i])
  if known then
    count(KEYS[7], KEYS[8], counted .. 'duplicate')
    return {0, known}
  end
end

local uids = {}
if route == 'sender' then
  uids = redis.call('SUNION', unpack(ARGV, 25))
elseif route == 'recipient' then
  local found = {}
  for _, uid in ipairs(#ARGV > 24 and redis.call('MGET', unpack(ARGV, 25)) or {}) do
    if uid and not found[uid] then
      found[uid] = true
      table.insert(uids, uid)
    end
  end
elseif route == 'uid' then
  for i = 25, #ARGV do
    if redis.call('HEXISTS', installation .. ARGV[i], 'created_at') == 1 then table.insert(uids, ARGV[i]) end
  end
end
table.sort(uids)
if #uids == 0 and route ~= '' then
  count(KEYS[7], KEYS[8], counted .. 'unknown recipient')
  return {2}
end

local function listed(uid)
  if route ~= 'recipient' then return 19 end
  local senders, preferences = unpack(redis.call('HMGET', installation .. uid, 'senders', 'preferences'))
  if not senders then  -- a list that is not filled in yet (Installations.complete) lets nobody in
    return preferences and string.find(preferences, '"senders":["', 1, true) and 23 or 19
  end
  for _, entry in ipairs({address, domain}) do
    if string.find(senders, '\\n' .. entry .. '\\n', 1, true) then return 21 end
  end
  return 23
end

for i = 9, #KEYS do redis.call('SET', KEYS[i], id, 'EX', dedupe_ttl) end
local seq = redis.call('INCR', KEYS[5])
redis.call('HSET', KEYS[1], 'envelope', envelope, 'content', content, 'seq', seq, 'pending', #uids)
redis.call('ZADD', KEYS[3], now, id)
local names, trust, held = {}, {}, 0
for i, uid in ipairs(uids) do
  local verdict = listed(uid)
  table.insert(names, '"' .. uid .. '"')
  table.insert(trust, '"' .. uid .. '":' .. ARGV[verdict])
  redis.call('ZADD', of .. uid, seq, id)
  redis.call('ZREMRANGEBYRANK', of .. uid, 0, of_max)
  if ARGV[verdict + 1] == '1' then
    held = held + 1
    redis.call('HSET', KEYS[1], 'state:' .. uid, 'quarantined')
    redis.call('ZADD', KEYS[6], now, id .. ' ' .. uid)
  else
    redis.call('HSET', KEYS[1], 'state:' .. uid, 'waiting')
    redis.call('ZADD', outbox .. uid, seq, id)
    local at = due
    if hint_due ~= '' then  -- it is time already: some worker is asked, and if that is lost, the due set knows
      enqueue(uid, id .. '-' .. i, stamp)
      at = hint_due
    end
    local score = redis.call('ZSCORE', KEYS[4], uid)
    if not score or tonumber(score) > tonumber(at) then redis.call('ZADD', KEYS[4], at, uid) end
  end
end
local who = ',"uids":[' .. table.concat(names, ',') .. '],"trust":{' .. table.concat(trust, ',') .. '}}'
redis.call('RPUSH', KEYS[2], string.sub(event, 1, -2) .. who)
if #uids == 0 then
  redis.call('EXPIRE', KEYS[1], unread_ttl)
  redis.call('EXPIRE', KEYS[2], unread_ttl)
end
count(KEYS[7], KEYS[8], counted .. (route == '' and 'recorded' or 'stored'))
return {1, id, #uids, held}
"""

DEDUPE_TTL = timedelta(days=30)
TOKENS_MAX = 50
"""Parts of a mail's addresses that are looked up as private addresses; nobody writes to so many at once."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """`new` is false for a second delivery of an event; `id` is then the message of the first."""

    id: str
    new: bool
    uids: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is thought of a message, as it is told later (JSON), and whether it is held in quarantine for that."""

    said: str
    held: bool

    @classmethod
    def of(cls, said: dict[str, Any], *, held: bool) -> Opinion:
        return cls(codec.dumps(said), held)


class Enqueues(Protocol):
    """How a job is put into the queue within a script: the function `enqueue(uid, job id, stamp)` in Lua."""

    lua: str

    def stamp(self, moment: datetime) -> str: ...


class Arrivals:
    def __init__(self, redis: Redis, text_retention: timedelta, jobs: Enqueues) -> None:
        self._redis = redis
        self._retention = text_retention
        self._jobs = jobs
        self._accept = redis.register_script(lua.COUNT + jobs.lua + _ACCEPT)

    def accept(
        self,
        message_id: str,
        message: InboundMessage,
        opinions: Sequence[Opinion],
        *,
        due: datetime,
        now: datetime,
        event: dict[str, Any],
    ) -> Arrival | None:
        """Write `message` down for every uid that it belongs to, to be looked at from `due`; a worker is asked at once
        where that is now. None when it belongs to nobody.

        `opinions`: for a user without a list of senders, with its sender on that list, and not on it. With `control`
        set it is only recorded, for nobody, and expires with the retention of texts.
        """
        route, wanted = ("", []) if message.control else (message.route.value, _wanted(message))
        new, *found = self._accept(
            keys=[
                keys.message(message_id),
                keys.story(message_id),
                keys.MESSAGES,
                keys.DUE,
                keys.SEQ,
                keys.QUARANTINE,
                keys.COUNTERS,
                keys.rates_at(now),
                *(keys.seen(key) for key in message.dedupe_keys),
            ],
            args=[
                message_id,
                codec.dump_envelope(message),
                codec.dump_content(message.content),
                codec.ms(now),
                int(DEDUPE_TTL.total_seconds()),
                int(self._retention.total_seconds()),
                codec.dumps({"at": now, "event": "received", **event}),
                keys.OUTBOX,
                keys.OF,
                -inbox.LISTED_MAX - 1,
                keys.INSTALLATION,
                self._jobs.stamp(now),
                codec.ms(due),
                codec.ms(now) + due_module.HINT_REPEAT_MS if due <= now else "",
                f"webhooks:{message.provider}:",
                route,
                *(listings(message.sender) if message.route is Route.RECIPIENT else ("", "")),
                *(part for opinion in opinions for part in (opinion.said, int(opinion.held))),
                *wanted,
            ],
        )
        if not found:
            return None
        return Arrival(found[0], bool(new), *map(int, found[1:]))

    def knows(self, dedupe_keys: Sequence[str]) -> bool:
        """Whether an event of one of these keys has been taken in."""
        return bool(self._redis.exists(*(keys.seen(key) for key in dedupe_keys)))


def _wanted(message: InboundMessage) -> list[str]:
    """The uids that a message names, or the keys that lead to those it is for."""
    match message.route:
        case Route.UID:
            return list(message.recipients)
        case Route.SENDER:
            return [keys.phone(number) for number in spellings(message.sender)]
        case Route.RECIPIENT:
            tokens = dict.fromkeys(token for to in message.recipients for token in inbox_tokens(to))
            return [keys.inbox(token) for token in list(tokens)[:TOKENS_MAX]]
