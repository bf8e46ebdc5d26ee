"""Messages, once they are written down: prepared, read back for humans, erased."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

from redis import Redis

from integration_app import logs
from integration_app.errors import LeaseLost
from integration_app.model import (
    AnyEvent,
    Content,
    DroppedByOperator,
    Made,
    MessageState,
    PartMade,
    PreparedText,
    SeenInOmi,
    Story,
)
from integration_app.store import codec, keys, stories
from integration_app.store.accounts import name_of, uid_of
from integration_app.store.due import Lease
from integration_app.store.installations import inbox_tokens
from integration_app.store.packing import Packing
from integration_app.store.repair import was_put_aside
from integration_app.store.scripts import load

log = logs.get(__name__)

SWEEP_MAX = 100_000
_SWEEP_BATCH = 1000
LISTED_MAX = 5000
"""Messages that are listed for one uid; older ones are delivered all the same."""


class Inbox:
    def __init__(self, redis: Redis, text_retention: timedelta) -> None:
        self._redis = redis
        self._retention = text_retention
        self._prepare = load(redis, "prepare")
        self._end = load(redis, "end_for_uid")
        self._looked = load(redis, "looked")
        self._made = load(redis, "made")
        self._packing = Packing(redis)

    def text(self, message_id: str) -> PreparedText | Content | None:
        """Its text: prepared, or still as it came; None when it has expired or was erased.

        Both are read at once: a drain for another uid may prepare the same message, and drop its content, meanwhile.
        """
        ((prepared, content),) = self._packing.field([message_id], "prepared", "content")
        if prepared:
            return codec.load_prepared(prepared)
        return codec.load_content(content) if content else None

    def save_prepared(self, message_id: str, parts: Sequence[PreparedText], *, now: datetime) -> PreparedText:
        """Keep the text, drop the raw content. Returns what is kept: another worker may have been first.

        Further parts become messages of their own, for every uid for which this one waits.
        """
        kept = self._prepare(
            message=keys.message(message_id),
            id=message_id,
            prepared=codec.dump_prepared(parts[0]),
            now_ms=codec.ms(now),
            event=stories.dump(PartMade(at=now, of=message_id)),
            others=list(map(codec.dump_prepared, parts[1:])),
        )
        return codec.load_prepared(str(kept))

    def looked(self, lease: Lease, message_ids: Sequence[str], epoch: int) -> None:
        """They are not in this user's Omi: this epoch of the store knows all about them. Raises `LeaseLost`."""
        if not self._looked(
            lease=keys.lease(lease.uid), uid=name_of(lease.uid), token=lease.token, epoch=epoch, ids=list(message_ids)
        ):
            raise LeaseLost("another worker holds the outbox by now")

    def done_of(self, uid: str, seqs: Sequence[int]) -> list[int]:
        """Those of these places in the order of arrival at which a message of this uid stands that was delivered."""
        pipe = self._redis.pipeline(transaction=False)
        for seq in seqs:
            pipe.zrangebyscore(keys.of(uid), seq, seq)
        states = self.states([str(found[0]) if found else "" for found in pipe.execute()], uid)
        return [seq for seq, state in zip(seqs, states, strict=True) if state is MessageState.DONE]

    def states(self, message_ids: Sequence[str], uid: str) -> list[MessageState | None]:
        """Where each stands for this uid; None for one that is not there (any more)."""
        rows = self._packing.field(message_ids, f"state:{name_of(uid)}")
        return [MessageState(state) if state else None for (state,) in rows]

    def whole(self, message_id: str, prepared: PreparedText) -> PreparedText:
        """With the text of all of its parts, where it is one of several."""
        if prepared.parts == 1:
            return prepared
        first = message_id.partition("p")[0]
        ids = [first, *(f"{first}p{number}" for number in range(2, prepared.parts + 1))]
        texts = [text for each in ids if isinstance(text := self.text(each), PreparedText)]
        return replace(prepared, text="\n\n".join(text.text for text in texts) or prepared.text)

    def suspect(self, message_id: str, uid: str) -> int:
        """Note that it is about to be prepared, by workers that died; how often that was noted and not taken back."""
        return int(self._redis.hincrby(keys.message(message_id), f"suspect:{name_of(uid)}", 1))

    def first_read(self, message_id: str, *, now: datetime) -> datetime:
        """When what came along with it was first found not to be there yet: now, or earlier."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hsetnx(keys.message(message_id), "first_read", codec.ms(now))
        pipe.hget(keys.message(message_id), "first_read")
        return codec.from_ms(pipe.execute()[1])

    def acquit(self, message_id: str, uid: str) -> None:
        """Preparing it has ended."""
        self._redis.hdel(keys.message(message_id), f"suspect:{name_of(uid)}")

    def story(self, message_id: str) -> Story | None:
        """Everything known about one message but its text; None when there is no such message (any more)."""
        kept = self._packing.kept(message_id)
        if kept is None or "envelope" not in kept.fields:
            return None
        return Story(
            id=message_id,
            message=codec.load_message(kept.fields["envelope"], None),
            states=_states(kept.fields),
            events=tuple(stories.load(event, _names(kept.fields)) for event in kept.story),
        )

    def _readable(self, message_id: str) -> Story | None:
        """Its story; a list must not end at one that cannot be read."""
        try:
            return self.story(message_id)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            log.error("a message cannot be read", message=message_id, error=type(error).__name__)
            return None

    def note(self, message_id: str, event: AnyEvent) -> None:
        """Add to a message's story, if there still is one."""
        row = stories.dump(event)
        self._packing.change(message_id, lambda: self._redis.rpushx(keys.story(message_id), row))

    def seen(self, message_id: str, event: SeenInOmi, made: Made | None) -> None:
        """Add to a message's story that Omi shows it, and keep what Omi made of it, as long as the message."""
        write = partial(
            self._made,
            message=keys.message(message_id),
            story=keys.story(message_id),
            uid=name_of(event.uid or ""),
            event=stories.dump(event),
            made=codec.dump_made(made),
        )
        self._packing.change(message_id, write)

    def made(self, message_id: str, uid: str) -> Made | None:
        """What Omi made of it, where Omi has said so."""
        ((raw,),) = self._packing.field([message_id], f"made:{name_of(uid)}")
        return codec.load_made(raw) if raw else None

    def latest(self, limit: int = 50, *, oldest_first: bool = False) -> Iterator[Story]:
        """The newest messages first, or the oldest, up to `limit`; without those that cannot be read."""
        return islice(filter(None, map(self._readable, self._packing.all_ids(oldest_first=oldest_first))), limit)

    def of(self, uid: str, limit: int = LISTED_MAX) -> Iterator[Story]:
        """The messages of one uid, newest first."""
        gone: list[str] = []
        found = 0
        for message_id in map(str, self._redis.zrevrange(keys.of(uid), 0, -1)):
            story = self._readable(message_id)
            if story is None or uid not in story.states:
                gone.append(message_id)
                continue
            yield story
            found += 1
            if found >= limit:
                break
        pipe = self._redis.pipeline(transaction=False)
        for message_id in gone:
            pipe.hexists(keys.message(message_id), f"state:{name_of(uid)}")
            pipe.exists(keys.spoilt(keys.packed(message_id)))  # it is named until it is erased
        answers = pipe.execute()
        if forgotten := [one for one, *found in zip(gone, answers[::2], answers[1::2], strict=True) if not any(found)]:
            self._redis.zrem(keys.of(uid), *forgotten)

    def all_of(self, uid: str) -> list[str]:
        """The ids of everything that this uid has, also beyond what is listed."""
        ids = [str(name) for name in self._redis.zrange(keys.of(uid), 0, -1)]
        if len(ids) >= LISTED_MAX:
            found = self._packing.scan()
            ids = list(dict.fromkeys([*ids, *(one for one in found if self.states([one], uid) != [None])]))
        return ids

    def erase(self, message_id: str, uid: str, tokens: Sequence[str] = (), *, now: datetime) -> None:
        """Forget that this uid had this message, and its addresses in it; the message itself, when no other uid has
        it.
        """
        key, story, name = keys.message(message_id), keys.story(message_id), name_of(uid)
        whole, event = keys.packed(message_id), stories.dump(DroppedByOperator(at=now, uid=uid, by="erased"))

        def forget(pipe: Any) -> bool:
            if pipe.exists(whole):  # it was packed again meanwhile
                return False
            raw = {str(field): str(value) for field, value in pipe.hgetall(key).items()}
            rows = pipe.lrange(story, 0, -1)
            events = [stories.unpack(row, _names(raw)) for row in rows]
            lives = pipe.pttl(story)
            mine = {str(row["delivery"]) for row in events if row.get("uid") == name and row.get("delivery")}
            pipe.multi()
            pipe.delete(keys.spoilt(whole))
            pipe.zrem(keys.of(uid), message_id)
            pipe.zrem(keys.outbox(uid), message_id)
            for delivery_id in mine:
                pipe.delete(keys.delivery(delivery_id))
                pipe.zrem(keys.PARKED, delivery_id)
            if not any(field.startswith("state:") and field != f"state:{name}" for field in raw):
                pipe.delete(key, story)
                pipe.zrem(keys.MESSAGES, message_id)
                return True
            pipe.hdel(key, *(f"{what}:{name}" for what in keys.MARKS))
            if "envelope" in raw:
                pipe.hset(key, "envelope", _without_address(raw["envelope"], uid, tokens))
            pipe.delete(story)
            if kept := stories.without(rows, _names(raw), name):
                pipe.rpush(story, *kept)
            if lives > 0:
                pipe.pexpire(story, lives)
            return True

        def end_and_forget() -> bool:
            self._end(message=key, id=message_id, uid=name, keep=int(self._retention.total_seconds()), event=event)
            return bool(self._redis.transaction(forget, key, story, whole, value_from_callable=True))  # type: ignore[arg-type]  # its value is what is asked for

        if not self._packing.change(message_id, end_and_forget):
            raise RuntimeError("a message is packed again and again, and could not be erased")

    def sweep(self, *, before: datetime, limit: int = SWEEP_MAX) -> int:
        """Forget ids of messages that have expired. Looks at up to `limit`, from where the last sweep ended; those that
        still exist (parked ones) do not hold it up. Returns how many.
        """
        begin, end, gone, seen = str(self._redis.get(keys.SWEEP) or "-inf"), codec.ms(before), 0, 0
        while seen < limit:
            rows: list[tuple[str, float]] = self._redis.zrangebyscore(  # type: ignore[assignment]
                keys.MESSAGES, begin, end, 0, _SWEEP_BATCH, withscores=True
            )
            pipe = self._redis.pipeline(transaction=False)
            for message_id, _ in rows:
                pipe.exists(keys.message(message_id))
            expired = [row[0] for row, there in zip(rows, pipe.execute(), strict=True) if not there]
            gone += int(self._redis.zrem(keys.MESSAGES, *expired)) if expired else 0
            seen += len(rows)
            if len(rows) < _SWEEP_BATCH:
                begin = "-inf"  # round again
                break
            # what shares the last score and was not looked at is looked at in the next round
            begin = f"({rows[-1][1]:.0f}"
        self._redis.set(keys.SWEEP, begin, ex=7 * 24 * 3600)
        return gone + self._packing.sweep(limit=limit)

    def pack(self, *, now: datetime) -> int:
        """As `Packing.step`."""
        return self._packing.step(now=now)

    def was_put_aside(self) -> bool:
        """As `repair.was_put_aside`."""
        return was_put_aside(self._redis)

    def count(self) -> int:
        return self._packing.count()


def _names(raw: Mapping[str, str]) -> list[str]:
    """What the accounts that have a message are called in Redis."""
    return [name.removeprefix("state:") for name in raw if name.startswith("state:")]


def _states(raw: Mapping[str, str]) -> dict[str, MessageState]:
    marks = {name.removeprefix("state:"): state for name, state in raw.items() if name.startswith("state:")}
    return dict(sorted((uid_of(name), MessageState(state)) for name, state in marks.items()))


def _without_address(envelope: str, uid: str, tokens: Sequence[str]) -> str:
    message = codec.load_message(envelope, None)
    kept = [to for to in message.recipients if to != uid and not set(inbox_tokens(to)) & set(tokens)]
    return codec.dump_envelope(replace(message, recipients=tuple(kept)))
