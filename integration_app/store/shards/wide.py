"""The stores of all shards as one: for each of their methods, which shard is asked, and how the answers become one.

What the doors, the pages and the command line see. Workers work on one shard at a time, past this.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from integration_app.model.webhook_events import EventType
from integration_app.store import keys
from integration_app.store.rotation import SPOILT
from integration_app.store.shards.accepting import WideIngest
from integration_app.store.shards.asking import (
    Way,
    Wide,
    changed,
    every,
    finder,
    first,
    known_user,
    merged,
    of_those_there,
    owner,
    user,
)
from integration_app.store.shards.directory import Directory
from integration_app.store.shards.merging import (
    added,
    all_endpoints,
    by_slot,
    earliest,
    joined,
    known,
    latest,
    oldest_parked,
    one_endpoint,
    one_story,
    together,
    unique,
    whole_replay,
)
from integration_app.store.shards.watching import away, misplaced
from integration_app.store.stores import Stores
from integration_app.store.vault import current


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
    here, route = wide.directory.of(uid), keys.phone(current().name("phone", number))
    wide.directory.add(route, here)
    changed(wide, name, args, kwargs)
    wide.directory.add(route, here)


def new_user(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    number = wide.directory.of(args[0])
    wide.directory.check(number)
    return wide.ask(number, name, args, kwargs)


def erased(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """All of it in the user's shard; then the directory forgets them too. Not on their way to another: where they left
    while it was asked, there was nothing, and it is asked again.
    """
    wide.directory.check_at_rest(args[0])
    number, routes = wide.directory.of(args[0]), wide.directory.routes_of(args[0])
    done = wide.ask(number, name, args, kwargs)
    wide.directory.check_at_rest(args[0])
    wide.directory.check_gone(args[0])
    wide.directory.forget_left(args[0])
    for store in wide.each:
        store.forget_told(args[0])
    wide.directory.forget(routes)
    return done


def begun_replay(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """In each shard those that are parked there, at its part of the rate."""
    replay_id, ids = args
    found = [[one for one in ids if store.parked_at(one) is not None] for store in wide.each]
    share = kwargs | {"rate": kwargs["rate"] / max(1, sum(map(bool, found)))}
    for number, mine in enumerate(found):
        if mine:
            wide.ask(number, name, (replay_id, mine), share)


def new_endpoint(wide: Wide, name: str, args: Any, kwargs: Any) -> Any:
    """The same one in each, told from its own feed."""
    made, secret = wide.ask(0, name, args, kwargs)
    for store in wide.each[1:]:
        store.add(*args, **kwargs, made=made.id, secret=secret)
    return made, secret


def spread_endpoints(wide: Wide, name: str, args: Any, kwargs: Any) -> None:
    """To shards that are new."""
    for made in wide.each[0].all():
        for store in wide.each[1:]:
            if not store.is_there(made.id):
                secret = wide.each[0].secrets_of(made.id, **kwargs)[0]
                store.add(made.url, made.events, made=made.id, secret=secret, **kwargs)


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
        store.join(number, len(wide.each), names)
        if made[0]:
            store.open()
    return any(made)


def renamed(wide: Wide, name: str, args: Any, kwargs: Any) -> Counter[str]:
    """By one key for all."""
    sealed = wide.each[0].key()
    done = sum((store.run(sealed) for store in wide.each), Counter[str]())
    wide.directory.clear()
    return done


_PASSES = 20


def resealed(wide: Wide, name: str, args: Any, kwargs: Any) -> Counter[str]:
    """Until there is nothing left: a user who moves meanwhile brings what they have as it was sealed."""
    done = Counter[str]()
    for _ in range(_PASSES):
        more = sum(wide.ask_all(name, args, kwargs), Counter[str]())
        spoilt = more.pop(SPOILT, 0)  # found again by every pass
        done += more
        if not more.total():
            break
    if spoilt:
        done[SPOILT] = spoilt
    wide.directory.clear()  # routes have new names
    return done


_of, _total, _any = user(), merged(sum), merged(any)

WAYS: dict[str, dict[str, Way]] = {
    "inbox": {
        "all_of": _of, "count": _total, "latest": newest, "made": user(1), "note": every, "of": _of,
        "seen": lambda wide, name, args, kwargs: wide.ask(wide.directory.of(args[1].uid), name, args, kwargs),
        "states": user(1), "story": merged(one_story), "text": finder, "whole": finder,
    },
    "outbox": {
        "name_of": first, "peek": _of, "refused": _of, "size": _of, "sizes": merged(added),
    },
    "installations": {
        "add": new_user, "all": merged(lambda answers: sorted(joined(answers), key=lambda row: row.uid)),
        "get": known_user, "link_phone": bound, "tokens": _of, "uids": merged(unique), "with_inbox": merged(unique),
        "with_phone": merged(unique),
        **dict.fromkeys(("change_preferences", "keep_for_undo", "mark_enabled", "mark_left", "new_inbox"), changed),
        **dict.fromkeys(("prefer", "undo", "unlink_phone"), changed),
    },
    "shared_phones": {"ends": user(1), "provisional": user(1), "settle": user(1)},
    "due": {
        "at": _of, "busy": of_those_there(sum), "lease_of": _of, "oldest": of_those_there(earliest),
        "overdue": of_those_there(sum), "set": _of, "times": merged(known),
    },
    "deliveries": {"get": finder, "seen": owner, "settles_in": owner},
    "dead_letters": {
        "cancel": _any, "drop": _any, "list": merged(oldest_parked), "parked_at": finder, "size": of_those_there(sum),
        "start": begun_replay, "status": merged(whole_replay), "unpark": _total,
    },
    "quarantine": {"drop": user(1), "held": oldest_held, "release": user(1), "size": of_those_there(sum)},
    "quotas": {"of": _of},
    "gates": {
        "of": _of, "of_all": of_those_there(together), "open": _of, "open_all": every, "open_everybody": every,
    },
    "health": {
        "add": first, "alarm": first, "away": away, "beat": every, "count": first,
        "counters": of_those_there(added),
        "failed_since": of_those_there(unique), "failing": _of, "forget_on_disk": every,
        "last": of_those_there(latest), "leave": first, "left": first, "seconds": of_those_there(max), "silence": every,
        "slots": of_those_there(by_slot), "swept_at": of_those_there(earliest), "workers": of_those_there(max),
        "write_and_read_back": of_those_there(all),
        "facts": of_those_there(lambda answers: answers[0].beside(answers[1:])),
    },
    "identity": {
        "closing": every, "epoch": first, "init": new_store, "is_ours": of_those_there(all), "misplaced": misplaced,
        "names_key": first, "new_epoch": every,
        "open": every,
    },
    "migrations": {"pending": merged(joined), "run": merged(unique), "schema": merged(min)},
    "rotation": {"behind": _total, "run": resealed},
    "renaming": {"run": renamed},
    "notices": {"tell": first},
    "imports": {
        "draft": changed, "erase": changed, "next": _of, "running": merged(unique), "set_state": changed, "status": _of,
        "took": changed,
    },
    "feed": {"tell": told, "test": first},
    "endpoints": {
        "add": new_endpoint, "all": merged(all_endpoints), "any": first, "failed": merged(unique),
        "get": merged(one_endpoint),
        "log": merged(lambda answers: sorted(joined(answers), key=lambda row: row.at, reverse=True)),
        "remove": lambda wide, name, args, kwargs: any(wide.ask_all(name, args, kwargs)),
        "resend": _total, "rotate": new_secret, "spread": spread_endpoints,
        "switch": every, "waiting": _total,
    },
}  # fmt: skip
"""Store → method → whom it concerns."""


def over_all(each: Sequence[Stores], directory: Directory) -> Stores:
    """All of them as one; what `WAYS` does not name, the first has."""
    wide: dict[str, Any] = {}
    for name, ways in WAYS.items():
        wide[name] = Wide([getattr(stores, name) for stores in each], ways, directory)
    ingest: Any = WideIngest([stores.ingest for stores in each], directory)
    return replace(each[0], ingest=ingest, **wide)


def erasure_of(each: Sequence[Any], directory: Directory) -> Any:
    """Forgetting a user is for one shard from beginning to end: half-way they are nowhere."""
    return Wide(each, {"erase": erased, "export": _of}, directory)


def one_of(first_: Stores, one: Stores) -> Stores:
    """One of several: what is no part of a user's messages lies in the first alone."""
    return replace(one, **{name: getattr(first_, name) for name in _OF_FIRST})


_OF_FIRST = ("auth", "audit", "refusals", "alerting", "mailboxes")
