"""What operators did, newest first; never what a message says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from redis import Redis

from integration_app.store import keys
from integration_app.store.vault import current

KIND = "audit"
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Act:
    """`by`: pages, API or command line, and from where; `what` was asked for, `about` which ids."""

    at: datetime
    by: str
    what: str
    about: Mapping[str, str]


class Audit:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self, act: Act) -> None:
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpush(keys.AUDIT, current().seal(KIND, json.dumps(asdict(act) | {"at": act.at.isoformat()})))
        pipe.ltrim(keys.AUDIT, 0, _KEPT - 1)
        pipe.execute()

    def latest(self, limit: int = 200) -> Sequence[Act]:
        rows = (json.loads(current().open(KIND, str(row))) for row in self._redis.lrange(keys.AUDIT, 0, limit - 1))
        return [Act(datetime.fromisoformat(row["at"]), row["by"], row["what"], row["about"]) for row in rows]
