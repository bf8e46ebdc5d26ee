"""Messages: written down once, in one atomic step, and read back for humans.

Accepting dedupes, saves the message, puts it into every outbox and sets every uid due, or does nothing at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from redis import Redis

from integration_app.addresses import listings
from integration_app.model import Content, InboundMessage, MessageState, PreparedText, Route, Story
from integration_app.store import codec, keys, lua
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
  local senders = route == 'recipient' and redis.call('HGET', installation .. uid, 'senders')
  if not senders then return 19 end
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

_PREPARED = """
-- KEYS: message, seq, messages, quarantine · ARGV: id, prepared, outbox prefix, message prefix, story prefix, now ms,
--       story event of a part, prefix of the lists by uid, then the prepared texts of the other parts
local known = redis.call('HGET', KEYS[1], 'prepared')
if known then return known end
local envelope = redis.call('HGET', KEYS[1], 'envelope')
if not envelope then return ARGV[2] end
redis.call('HSET', KEYS[1], 'prepared', ARGV[2], 'parts', #ARGV - 7)
redis.call('HDEL', KEYS[1], 'content')
local fields = redis.call('HGETALL', KEYS[1])
for part = 9, #ARGV do
  local id, pending = ARGV[1] .. 'p' .. (part - 7), 0
  local seq = redis.call('INCR', KEYS[2])
  for i = 1, #fields, 2 do
    local uid = string.match(fields[i], '^state:(.*)')
    if uid and fields[i + 1] == 'waiting' then
      redis.call('HSET', ARGV[4] .. id, fields[i], 'waiting')
      redis.call('ZADD', ARGV[3] .. uid, seq, id)
      redis.call('ZADD', ARGV[8] .. uid, seq, id)
      pending = pending + 1
    elseif uid and fields[i + 1] == 'quarantined' then
      redis.call('HSET', ARGV[4] .. id, fields[i], 'quarantined')
      redis.call('ZADD', KEYS[4], ARGV[6], id .. ' ' .. uid)
      redis.call('ZADD', ARGV[8] .. uid, seq, id)
      pending = pending + 1
    end
  end
  redis.call('HSET', ARGV[4] .. id, 'envelope', envelope, 'prepared', ARGV[part], 'seq', seq, 'pending', pending)
  redis.call('RPUSH', ARGV[5] .. id, ARGV[7])
  redis.call('ZADD', KEYS[3], ARGV[6], id)
end
return ARGV[2]
"""

DEDUPE_TTL = timedelta(days=30)
LISTED_MAX = 5000
"""Messages that are listed for one uid; older ones are delivered all the same."""


HINT_REPEAT = timedelta(seconds=5)
"""When an unheeded hint is given again: RQ lost the job, or the fleet is behind."""
TOKENS_MAX = 50
"""Parts of a mail's addresses that are looked up as private addresses; nobody writes to so many at once."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """`new` is false for a second delivery of an event; `id` is then the message of the first."""

    id: str
    new: bool
    uids: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What is thought of a message, as it is told later, and whether it is held in quarantine for that."""

    said: dict[str, Any]
    held: bool


class Enqueues(Protocol):
    """How a job is put into the queue within a script: the function `enqueue(uid, job id, stamp)` in Lua."""

    lua: str

    def stamp(self, moment: datetime) -> str: ...


class Inbox:
    def __init__(self, redis: Redis, text_retention: timedelta, jobs: Enqueues) -> None:
        self._redis = redis
        self._retention = text_retention
        self._jobs = jobs
        self._accept = redis.register_script(lua.COUNT + jobs.lua + _ACCEPT)
        self._prepared = redis.register_script(_PREPARED)

    def accept(
        self,
        message_id: str,
        message: InboundMessage,
        opinions: Sequence[Opinion],
        *,
        due: datetime,
        now: datetime,
        event: dict[str, Any],
    ) -> Accepted | None:
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
                -LISTED_MAX - 1,
                keys.INSTALLATION,
                self._jobs.stamp(now),
                codec.ms(due),
                codec.ms(now + HINT_REPEAT) if due <= now else "",
                f"webhooks:{message.provider}:",
                route,
                *(listings(message.sender) if message.route is Route.RECIPIENT else ("", "")),
                *(part for opinion in opinions for part in (codec.dumps(opinion.said), int(opinion.held))),
                *wanted,
            ],
        )
        if not found:
            return None
        return Accepted(found[0], bool(new), *map(int, found[1:]))

    def knows(self, dedupe_keys: Sequence[str]) -> bool:
        """Whether an event of one of these keys has been taken in."""
        return bool(self._redis.exists(*(keys.seen(key) for key in dedupe_keys)))

    def said(self, message_id: str) -> PreparedText | Content | None:
        """What was said: prepared, or still as it came; None when it has expired or was erased.

        Both are read at once: a drain for another uid may prepare the same message, and drop its content, meanwhile.
        """
        prepared, content = self._redis.hmget(keys.message(message_id), ("prepared", "content"))
        if prepared:
            return codec.load_prepared(str(prepared))
        return codec.load_content(str(content)) if content else None

    def save_prepared(self, message_id: str, parts: Sequence[PreparedText], *, now: datetime) -> PreparedText:
        """Keep the text, let go of the raw content. What is kept: another worker may have been first.

        Further parts become messages of their own, for everybody for whom this one waits.
        """
        kept = self._prepared(
            keys=[keys.message(message_id), keys.SEQ, keys.MESSAGES, keys.QUARANTINE],
            args=[
                message_id,
                codec.dump_prepared(parts[0]),
                keys.OUTBOX,
                keys.MESSAGE,
                keys.STORY,
                codec.ms(now),
                codec.dumps({"at": now, "event": "part", "of": message_id}),
                keys.OF,
                *map(codec.dump_prepared, parts[1:]),
            ],
        )
        return codec.load_prepared(str(kept))

    def story(self, message_id: str) -> Story | None:
        """Everything known about one message but its text; None when there is no such message (any more)."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(keys.message(message_id))
        pipe.lrange(keys.story(message_id), 0, -1)
        raw, events = pipe.execute()
        if "envelope" not in raw:
            return None
        return Story(
            id=message_id,
            message=codec.load_message(raw["envelope"], None),
            states=_states(raw),
            events=tuple(json.loads(event) for event in events),
        )

    def note(self, message_id: str, event: dict[str, Any], *, now: datetime) -> None:
        """Add to a message's story, if there still is one."""
        self._redis.rpushx(keys.story(message_id), codec.dumps({"at": now, **event}))

    def latest(self, limit: int = 50) -> Iterator[Story]:
        """The newest messages first, up to `limit`."""
        found = start = 0
        while found < limit and (ids := self._redis.zrevrange(keys.MESSAGES, start, start + 99)):
            for message_id in map(str, ids):
                story = self.story(message_id)
                if story:
                    yield story
                    found += 1
                    if found >= limit:
                        return
            start += len(ids)

    def of(self, uid: str, limit: int = LISTED_MAX) -> Iterator[Story]:
        """The messages of one uid, newest first."""
        gone: list[str] = []
        found = 0
        for message_id in map(str, self._redis.zrevrange(keys.of(uid), 0, -1)):
            story = self.story(message_id)
            if story is None or uid not in story.states:
                gone.append(message_id)
                continue
            yield story
            found += 1
            if found >= limit:
                break
        if gone:
            self._redis.zrem(keys.of(uid), *gone)

    def all_of(self, uid: str) -> list[str]:
        """The ids of everything that this uid has, also beyond what is listed."""
        ids = [str(name) for name in self._redis.zrange(keys.of(uid), 0, -1)]
        if len(ids) >= LISTED_MAX:
            found = (str(key) for key in self._redis.scan_iter(f"{keys.MESSAGE}*", count=1000))
            more = [key for key in found if self._redis.hexists(key, f"state:{uid}")]
            ids = list(dict.fromkeys([*ids, *(key.removeprefix(keys.MESSAGE) for key in more)]))
        return ids

    def erase(self, message_id: str, uid: str, tokens: Sequence[str] = ()) -> None:
        """Forget that this uid had this message, and its addresses in it; the message itself, when nobody else has
        it.
        """
        key, story = keys.message(message_id), keys.story(message_id)

        def forget(pipe: Any) -> None:
            raw = {str(name): str(value) for name, value in pipe.hgetall(key).items()}
            events = [json.loads(event) for event in pipe.lrange(story, 0, -1)]
            lives = pipe.pttl(story)
            mine = {str(row["delivery"]) for row in events if row.get("uid") == uid and row.get("delivery")}
            pipe.multi()
            pipe.zrem(keys.of(uid), message_id)
            pipe.zrem(keys.outbox(uid), message_id)
            for delivery_id in mine:
                pipe.delete(keys.delivery(delivery_id))
                pipe.zrem(keys.PARKED, delivery_id)
            if not any(name.startswith("state:") and name != f"state:{uid}" for name in raw):
                pipe.delete(key, story)
                pipe.zrem(keys.MESSAGES, message_id)
                return
            pipe.hdel(key, f"state:{uid}", f"tried:{uid}", f"last:{uid}")
            if "envelope" in raw:
                pipe.hset(key, "envelope", _without_address(raw["envelope"], uid, tokens))
            pipe.delete(story)
            kept = [codec.dumps(_without(event, uid)) for event in events if event.get("uid") != uid]
            if kept:
                pipe.rpush(story, *kept)
            if lives > 0:
                pipe.pexpire(story, lives)
            if raw.get(f"state:{uid}") in (MessageState.WAITING, MessageState.SENDING):
                pipe.hincrby(key, "pending", -1)
                if int(raw.get("pending", 0)) <= 1:  # this was the last one that it was kept for
                    pipe.expire(key, self._retention)
                    pipe.expire(story, self._retention)

        self._redis.transaction(forget, key, story)

    def sweep(self, *, before: datetime, limit: int = 1000) -> int:
        """Forget ids of messages that have expired. Looks at the oldest ones, up to `limit`. Returns how many."""
        ids = [str(name) for name in self._redis.zrangebyscore(keys.MESSAGES, "-inf", codec.ms(before), 0, limit)]
        pipe = self._redis.pipeline(transaction=False)
        for message_id in ids:
            pipe.exists(keys.message(message_id))
        gone = [message_id for message_id, there in zip(ids, pipe.execute(), strict=True) if not there]
        return int(self._redis.zrem(keys.MESSAGES, *gone)) if gone else 0

    def count(self) -> int:
        return int(self._redis.zcard(keys.MESSAGES))


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


def _states(raw: dict[str, str]) -> dict[str, str]:
    marks = {name.removeprefix("state:"): state for name, state in raw.items() if name.startswith("state:")}
    return {uid: MessageState(state).value for uid, state in sorted(marks.items())}


def _without(event: dict[str, Any], uid: str) -> dict[str, Any]:
    """An event that concerns several, as if this one had never been among them."""
    if "uids" in event:
        event["uids"] = [other for other in event["uids"] if other != uid]
    if isinstance(event.get("trust"), dict):
        event["trust"].pop(uid, None)
    return event


def _without_address(envelope: str, uid: str, tokens: Sequence[str]) -> str:
    message = codec.load_message(envelope, None)
    kept = [to for to in message.recipients if to != uid and not set(inbox_tokens(to)) & set(tokens)]
    return codec.dump_envelope(replace(message, recipients=tuple(kept)))
