"""The stores of all shards as one: for each of their methods, which shard is asked, and how the answers become one.

What the doors, the pages and the command line see. Workers work on one shard at a time, past this.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from integration_app.errors import StoreUnfit
from integration_app.model.webhook_events import EventType
from integration_app.store.installations import phone_keys
from integration_app.store.shards.accepting import WideIngest
from integration_app.store.shards.directory import Directory
from integration_app.store.shards.merging import (
    added,
    by_slot,
    earliest,
    joined,
    latest,
    oldest_parked,
    one_story,
    together,
    unique,
    whole_replay,
)
from integration_app.store.stores import Stores

Way = Callable[["Wide", str, Any, Any], Any]
"""`way(wide, method, args, kwargs)`: ask whom it concerns."""


class Wide:
    """One store, over all shards. `each`: that of every shard, in their order. A method that `ways` does not name is an
    error: none goes to the wrong shard unnoticed.
    """

    def __init__(self, each: Sequence[Any], ways: Mapping[str, Way], directory: Directory) -> None:
        self.each = each
        self.directory = directory
        self._ways = ways

    def __getattr__(self, name: str) -> Any:
        if not callable(setting := getattr(self.each[0], name)):
            return setting  # the same in each
        try:
            way = self._ways[name]
        except KeyError:
            store = type(self.each[0]).__name__
            raise AttributeError(f"{store}.{name}: nothing says which shard it concerns") from None
        return lambda *args, **kwargs: way(self, name, args, kwargs)

    def ask(self, number: int, name: str, args: Any, kwargs: Any) -> Any:
        return getattr(self.each[number], name)(*args, **kwargs)

    def ask_all(self, name: str, args: Any, kwargs: Any) -> list[Any]:
        return [self.ask(number, name, args, kwargs) for number in range(len(self.each))]


# --- one shard ----------------------------------------------------------------------------------------------------


def first(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """What belongs to no user lies in the first."""
    return wide.ask(0, name, args, kwargs)


def user(place: int = 0) -> Way:
    """The shard of the user whose uid is this argument."""

    def ask(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
        return wide.ask(wide.directory.of(args[place]), name, args, kwargs)

    return ask


def owner(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """That of the user whose delivery or lease it is."""
    return wide.ask(wide.directory.of(args[0].uid), name, args, kwargs)


def finder(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Whichever has it."""
    answer = None
    for number in range(len(wide.each)):
        if answer := wide.ask(number, name, args, kwargs):
            return answer
    return answer


# --- all of them --------------------------------------------------------------------------------------------------


def every(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """In each; the first's answer stands for all."""
    return wide.ask_all(name, args, kwargs)[0]


def merged(merge: Callable[[list[Any]], Any]) -> Way:
    def ask(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
        return merge(wide.ask_all(name, args, kwargs))

    return ask


def by_user(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Of many users: each shard is asked for its own."""
    uids: Sequence[str] = args[0]
    found: dict[str, Any] = {}
    some: dict[int, list[str]] = {}
    for uid in uids:
        some.setdefault(wide.directory.of(uid), []).append(uid)
    for number, mine in some.items():
        found |= wide.ask(number, name, (mine, *args[1:]), kwargs)
    return {uid: found[uid] for uid in uids}


def newest(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Stories in the order of their arrival, over all."""
    is_up = kwargs.get("oldest_first", False)
    rows = heapq.merge(
        *wide.ask_all(name, args, kwargs), key=lambda story: story.message.received_at, reverse=not is_up
    )
    seen: set[str] = set()
    whole = (story for row in rows if row.id not in seen and not seen.add(row.id) and (story := wide.story(row.id)))  # type: ignore[func-returns-value]
    return islice(whole, args[0] if args else kwargs.get("limit", 50))


def oldest_held(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    rows = heapq.merge(*wide.ask_all(name, args, kwargs), key=lambda row: row[2])
    return islice(rows, kwargs.get("limit", 1000))


def told(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Into the feed of the user it is about."""
    kind: EventType = args[0]
    uid = args[1]
    return wide.ask(0 if uid is None else wide.directory.of(uid), name, (kind, *args[1:]), kwargs)


def bound(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """A phone of a user: the directory knows of it before it leads there; and after, should it have failed over."""
    uid, number = args
    here = wide.directory.of(uid)
    for route in phone_keys(number):
        wide.directory.add(route, here)
    wide.ask(here, name, args, kwargs)
    for route in phone_keys(number):
        wide.directory.add(route, here)


def erased(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """All of it in the user's shard; then the directory forgets them too."""
    number, routes = wide.directory.of(args[0]), wide.directory.routes_of(args[0])
    done = wide.ask(number, name, args, kwargs)
    wide.directory.forget(routes)
    return done


def begun_replay(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """In each shard those that are parked there, at its part of the rate."""
    replay_id, ids = args
    share = kwargs | {"rate": kwargs["rate"] / len(wide.each)}
    for number, store in enumerate(wide.each):
        mine = [one for one in ids if store.parked_at(one) is not None]
        if mine:
            wide.ask(number, name, (replay_id, mine), share)


def new_endpoint(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """The same one in each, told from its own feed."""
    made, secret = wide.ask(0, name, args, kwargs)
    for store in wide.each[1:]:
        store.add(*args, **kwargs, made=made.id, secret=secret)
    return made, secret


def new_secret(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    secret = wide.ask(0, name, args, kwargs)
    for store in wide.each[1:]:
        store.rotate(*args, **kwargs, secret=secret)
    return secret


def new_store(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """Each that is new is made ours, and calls users what the first calls them. New users come to it at once where the
    first is new too; else with the first `rebalance`, for processes that do not know it yet would not find them.
    """
    made = wide.ask_all(name, args, kwargs)
    _, names = wide.each[0].names_key("")
    for number, store in enumerate(wide.each):
        store.join(number, names)
        if made[0]:
            store.open()
    return any(made)


def misplaced(wide: Wide, name: str, args: Any, kwargs: Any) -> str:
    try:
        for number, store in enumerate(wide.each):
            store.check_place(number)
    except StoreUnfit as error:
        return str(error)
    return ""


_of, _total, _any, _all = user(), merged(sum), merged(any), merged(all)

WAYS: dict[str, dict[str, Way]] = {
    "inbox": {
        "all_of": _of, "count": _total, "latest": newest, "made": user(1), "note": every, "of": _of,
        "seen": lambda wide, name, args, kwargs: wide.ask(wide.directory.of(args[1].uid), name, args, kwargs),
        "states": user(1), "story": merged(one_story), "text": finder, "whole": finder,
    },
    "outbox": {
        "name_of": first, "peek": _of, "refused": _of, "size": _of, "sizes": by_user,
    },
    "installations": {
        "add": _of, "all": merged(lambda answers: sorted(joined(answers), key=lambda row: row.uid)),
        "change_preferences": _of, "get": _of, "keep_for_undo": _of, "link_phone": bound,
        "mark_enabled": _of, "mark_left": _of, "new_inbox": _of, "prefer": _of, "tokens": _of, "uids": merged(unique),
        "undo": _of, "unlink_phone": _of,
        "with_inbox": merged(unique), "with_phone": merged(unique),
    },
    "shared_phones": {"ends": user(1), "provisional": user(1), "settle": user(1)},
    "due": {
        "at": _of, "busy": _total, "lease_of": _of, "oldest": merged(earliest), "overdue": _total,
        "set": _of, "times": by_user,
    },
    "deliveries": {"get": finder, "seen": owner, "settles_in": owner},
    "dead_letters": {
        "cancel": _any, "drop": _any, "list": merged(oldest_parked), "parked_at": finder, "size": _total,
        "start": begun_replay, "status": merged(whole_replay), "unpark": _total,
    },
    "quarantine": {"drop": user(1), "held": oldest_held, "release": user(1), "size": _total},
    "quotas": {"of": _of},
    "gates": {
        "of": _of, "of_all": merged(together), "open": _of, "open_all": every, "open_everybody": every,
    },
    "health": {
        "add": first, "alarm": first, "beat": every, "count": first, "counters": merged(added),
        "failed_since": merged(unique), "failing": _of, "forget_on_disk": every, "last": merged(latest), "leave": first,
        "left": first, "seconds": merged(max), "silence": every, "slots": merged(by_slot),
        "swept_at": merged(earliest), "workers": first, "write_and_read_back": _all,
        "facts": merged(lambda answers: answers[0].beside(answers[1:])),
    },
    "identity": {
        "closing": every, "epoch": first, "init": new_store, "is_ours": _all, "misplaced": misplaced,
        "names_key": first, "new_epoch": every,
        "open": every,
    },
    "migrations": {"pending": merged(joined), "run": merged(unique), "schema": merged(min)},
    "rotation": {"behind": _total, "run": merged(lambda answers: sum(answers, Counter()))},
    "renaming": {"run": merged(lambda answers: sum(answers, Counter()))},
    "notices": {"tell": first},
    "imports": {
        "draft": _of, "erase": _of, "next": _of, "running": merged(unique), "set_state": _of, "status": _of,
        "took": _of,
    },
    "feed": {"tell": told, "test": first},
    "endpoints": {
        "add": new_endpoint, "all": first, "any": first, "failed": merged(unique), "get": first,
        "log": merged(lambda answers: sorted(joined(answers), key=lambda row: row.at, reverse=True)),
        "remove": lambda wide, name, args, kwargs: any(wide.ask_all(name, args, kwargs)),
        "resend": _total, "rotate": new_secret, "switch": every, "waiting": _total,
    },
}  # fmt: skip
"""Store → method → whom it concerns."""


def over_all(each: Sequence[Stores], directory: Directory) -> Stores:
    """All of them as one; what `WAYS` does not name, the first has."""
    wide: dict[str, Any] = {}
    for name, ways in WAYS.items():
        wide[name] = Wide([getattr(stores, name) for stores in each], ways, directory)
    ingest: Any = WideIngest([stores.ingest for stores in each], [stores.identity for stores in each], directory)
    return replace(each[0], ingest=ingest, **wide)


def erasure_of(each: Sequence[Any], directory: Directory) -> Any:
    """Forgetting a user is for one shard from beginning to end: half-way they are nowhere."""
    return Wide(each, {"erase": erased, "export": _of}, directory)


def one_of(first_: Stores, one: Stores) -> Stores:
    """One of several by itself: what is no part of a user's messages lies in the first alone."""
    return replace(one, **{name: getattr(first_, name) for name in _OF_FIRST})


_OF_FIRST = ("auth", "audit", "refusals", "alerting", "mailboxes")
