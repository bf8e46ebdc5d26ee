"""Messages: written down once, in one atomic step, and read back for humans.

Accepting dedupes, saves the message, puts it into every outbox and sets every uid due, or does nothing at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from redis import Redis

from integration_app.model import Content, InboundMessage, MessageState, PreparedText, Story
from integration_app.store import codec, keys

_ACCEPT = """
-- KEYS: message, story, messages, due, seq, then one per dedupe key
-- ARGV: id, envelope, content, now ms, dedupe ttl s, ttl s when nobody waits for it, story event, outbox prefix,
--       then pairs of uid and due ms
for i = 6, #KEYS do
  local known = redis.call('GET', KEYS[i])
  if known then return {0, known} end
end
for i = 6, #KEYS do redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[5]) end
local seq = redis.call('INCR', KEYS[5])
local recipients = (#ARGV - 8) / 2
redis.call('HSET', KEYS[1], 'envelope', ARGV[2], 'content', ARGV[3], 'seq', seq, 'pending', recipients)
redis.call('RPUSH', KEYS[2], ARGV[7])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
for i = 9, #ARGV, 2 do
  redis.call('HSET', KEYS[1], 'state:' .. ARGV[i], 'waiting')
  redis.call('ZADD', ARGV[8] .. ARGV[i], seq, ARGV[1])
  local score = redis.call('ZSCORE', KEYS[4], ARGV[i])
  if not score or tonumber(score) > tonumber(ARGV[i + 1]) then
    redis.call('ZADD', KEYS[4], ARGV[i + 1], ARGV[i])
  end
end
if recipients == 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
return {1, ARGV[1]}
"""

DEDUPE_TTL = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Accepted:
    """`new` is false for a second delivery of an event; `id` is then the message of the first."""

    id: str
    new: bool


class Inbox:
    def __init__(self, redis: Redis, text_retention: timedelta) -> None:
        self._redis = redis
        self._retention = text_retention
        self._accept = redis.register_script(_ACCEPT)

    def accept(
        self,
        message_id: str,
        message: InboundMessage,
        due: Sequence[tuple[str, datetime]],
        *,
        now: datetime,
        event: dict[str, Any],
    ) -> Accepted:
        """Write `message` down for every uid in `due`, to be looked at from the time given with it.

        With nobody in `due` it is only recorded, and expires with the retention of texts.
        """
        new, known = self._accept(
            keys=[
                keys.message(message_id),
                keys.story(message_id),
                keys.MESSAGES,
                keys.DUE,
                keys.SEQ,
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
                *(part for uid, moment in due for part in (uid, codec.ms(moment))),
            ],
        )
        return Accepted(id=known, new=bool(new))

    def said(self, message_id: str) -> PreparedText | Content | None:
        """What was said: prepared, or still as it came; None when it has expired or was erased.

        Both are read at once: a drain for another uid may prepare the same message, and drop its content, meanwhile.
        """
        prepared, content = self._redis.hmget(keys.message(message_id), ("prepared", "content"))
        if prepared:
            return codec.load_prepared(str(prepared))
        return codec.load_content(str(content)) if content else None

    def save_prepared(self, message_id: str, prepared: PreparedText) -> None:
        """Keep the text, let go of the raw content. The same for every uid, so writing it twice is harmless."""
        values = {
            "text": prepared.text,
            "kind": prepared.kind,
            "tags": prepared.tags,
            "head": prepared.head,
        }
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(keys.message(message_id), "prepared", codec.dumps(values))
        pipe.hdel(keys.message(message_id), "content")
        pipe.execute()

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


def _states(raw: dict[str, str]) -> dict[str, str]:
    marks = {name.removeprefix("state:"): state for name, state in raw.items() if name.startswith("state:")}
    return {uid: MessageState(state).value for uid, state in sorted(marks.items())}
