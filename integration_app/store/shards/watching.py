"""What is wrong with several Redis: which is away, who is between two, whether they stand in their order."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from integration_app.errors import StoreUnfit
from integration_app.store.outage import why
from integration_app.store.shards.asking import Wide


def away(wide: Wide, name: str, args: Any, kwargs: Any) -> list[str]:
    """Which do not answer, and how many users are between two, as sentences; one for all that have the same reason."""
    found: dict[str, tuple[str, str]] = {}
    for number, store in enumerate(wide.each):
        try:
            store.seconds()
        except (RedisError, OSError) as error:
            found[f"shard {number}"] = why(error)
    if len(found) == len(wide.each) and len(set(found.values())) == 1:
        found = {"each": next(iter(found.values()))}
    sentence = "{} of REDIS_URLS: {}; messages for its users are refused → {}"
    rows = [sentence.format(which, *reason) for which, reason in found.items()]
    between = 0
    for store in wide.each:
        with suppress(RedisError, OSError):  # of one that is away
            for name, source, lease in store.coming():
                between += source < len(wide.each) and wide.each[source].has_left(name, lease)
    if between:
        rows.append(f"between two of REDIS_URLS: messages for {between} are refused → is each up, and has it room?")
    return rows


def misplaced(wide: Wide, name: str, args: Any, kwargs: Any) -> str:
    for number, store in enumerate(wide.each):
        try:
            store.check_place(number, len(wide.each))
        except StoreUnfit as error:
            return str(error)
        except (RedisError, OSError):
            continue  # said by `away`
    return ""
