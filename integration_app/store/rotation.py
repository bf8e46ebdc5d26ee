"""All that is at rest under the newest of DATA_KEYS: after that, the others can go.

May run beside workers, be stopped, and run again: what changes meanwhile is sealed anew by the process that changes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from redis import Redis

from integration_app.store import accounts, audit, endpoints, imports, keys, notices, packed
from integration_app.store.accounts import name_of
from integration_app.store.installations import Installations, as_installation
from integration_app.store.scripts import load
from integration_app.store.shared_phones import SharedPhones
from integration_app.store.vault import Vault, current

_MESSAGE = {"envelope": "envelope", "content": "content", "prepared": "prepared"}
_DELIVERY = {"data": "delivery"}
_INSTALLATION = {"preferences": "preferences", "inbox_token": "address"}
_BATCH = 500
SPOILT = "spoilt, left as they are"


class Rotation:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reseal = load(redis, "reseal")
        self._installations = Installations(redis)
        self._shared_phones = SharedPhones(redis)
        self._spoilt = 0

    def run(self) -> Counter[str]:
        """How many values were sealed anew, by kind. Raises `KeyMissing` where a key is not listed any more."""
        done: Counter[str] = Counter()
        self._spoilt = 0
        for key in self._keys(keys.PACKED):
            raw = self._redis.get(key)
            done["messages"] += self._one(current(), key, "", packed.KIND, str(raw)) if raw else 0
        for key in self._keys(keys.MESSAGE):
            done["messages"] += self._hash(key, _MESSAGE)
            done["messages"] += self._made(key)
        for key in self._keys(keys.DELIVERY):
            done["deliveries"] += self._hash(key, _DELIVERY)
        for uid in self._installations.uids():
            done["installations"] += self._installation(uid)
        for key in self._keys(keys.imported("")):
            done["imports"] += self._hash(key, {"name": imports.KIND})
        for key in self._keys(keys.import_items("")):
            done["imports"] += self._list(key, imports.KIND)
        for key in self._keys(keys.endpoint("")):
            if self._redis.type(key) == "hash" and self._redis.hexists(key, "url"):
                done["endpoints"] += self._hash(key, {"url": endpoints.KIND, "secrets": endpoints.KIND})
        done["links"] = self._shared_phones.reseal()
        done["notices"] = self._list(keys.NOTICES, notices.KIND)
        done["audit"] = self._list(keys.AUDIT, audit.KIND)
        names = self._redis.hget(keys.STORE, "names")
        done["key of the names"] = self._one(current(), keys.STORE, "names", accounts.KIND, str(names)) if names else 0
        if self._spoilt:
            done[SPOILT] = self._spoilt
        return done

    def behind(self) -> int:
        """How many installations are under an older key, or none: a quick look, for `doctor`. Raises `KeyMissing`."""
        uids = self._installations.uids()[:_BATCH]
        pipe = self._redis.pipeline(transaction=False)
        for uid in uids:
            pipe.hget(keys.installation(uid), "inbox_token")
        tokens = [str(raw) for raw in pipe.execute() if raw]
        for raw in tokens:
            current().open("address", raw)
        return sum(not current().is_current(raw) for raw in tokens)

    def _keys(self, prefix: str) -> Iterable[str]:
        return (str(key) for key in self._redis.scan_iter(f"{prefix}*", count=_BATCH))

    def _hash(self, key: str, kinds: dict[str, str]) -> int:
        vault, done = current(), 0
        values = self._redis.hmget(key, list(kinds))
        for (field, kind), raw in zip(kinds.items(), values, strict=True):
            done += self._one(vault, key, field, kind, str(raw)) if raw else 0
        return done

    def _made(self, key: str) -> int:
        found = {str(name): str(value) for name, value in self._redis.hgetall(key).items()}
        rows = [(name, raw) for name, raw in found.items() if name.startswith("made:")]
        return sum(self._one(current(), key, name, "made", raw) for name, raw in rows)

    def _list(self, key: str, kind: str) -> int:
        """A list that others push to, and take from, meanwhile."""

        done: list[int] = []

        def fresh(row: str) -> str:
            try:
                return row if current().is_current(row) else current().seal(kind, current().open(kind, row))
            except ValueError:
                self._spoilt += 1
                return row

        def rewrite(pipe: Any) -> None:
            rows, lives = list(map(str, pipe.lrange(key, 0, -1))), int(pipe.pttl(key))
            after = list(map(fresh, rows))
            pipe.multi()
            if after != rows:
                pipe.delete(key)
                pipe.rpush(key, *after)
                if lives > 0:
                    pipe.pexpire(key, lives)
            done.append(sum(row != one for row, one in zip(rows, after, strict=True)))

        self._redis.transaction(rewrite, key)
        return done[-1]

    def _one(self, vault: Vault, key: str, field: str, kind: str, raw: str) -> int:
        if vault.is_current(raw):
            return 0
        try:
            after = vault.seal(kind, vault.open(kind, raw))
        except ValueError:  # spoilt: a drain will find it, and park it
            self._spoilt += 1
            return 0
        return int(self._reseal(key=key, field=field, before=raw, after=after))

    def _installation(self, uid: str) -> int:
        """Its own values, its phones, and its list of senders as it is searched."""
        raw = {str(name): str(value) for name, value in self._redis.hgetall(keys.installation(uid)).items()}
        phones = list(map(str, self._redis.smembers(keys.phones(uid))))
        try:
            found = as_installation(uid, raw, phones)
        except ValueError:
            self._spoilt += 1
            return 0
        if found is None:
            return 0
        done = self._hash(keys.installation(uid), _INSTALLATION)
        if moved := raw.get("moved"):
            sealed = " ".join(current().seal("address", current().open("address", row)) for row in moved.split())
            done += int(self._reseal(key=keys.installation(uid), field="moved", before=moved, after=f"{sealed} "))
        for form in phones:
            if not current().is_current(form):
                number = current().open_member(form)
                self._installations.link_phone(uid, number)  # the new form before the old one goes
                self._redis.srem(keys.phones(uid), form)
                old = [keys.phone(name) for name in current().names("phone", number)[1:]]
                for key in old:
                    self._redis.srem(key, name_of(uid))
                done += 1
        if found.preferences.senders:
            self._installations.search_anew(uid)
        return done
