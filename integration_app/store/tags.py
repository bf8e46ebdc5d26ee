"""Keys with a tag: what a cluster puts into one slot together carries one, such as `{s003}`.

The tag is put in on the way out, in every key of a command; nothing above knows of it. A command whose keys this
module does not know is an error, so that none goes to another slot unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis import Redis
from redis.connection import HiredisRespSerializer

from integration_app.store import vault


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NONE = _words("""
    AUTH BGREWRITEAOF CLIENT CLUSTER CONFIG DBSIZE DISCARD ECHO EXEC HELLO INFO MULTI PING READONLY SCRIPT SELECT TIME
    UNWATCH WAIT
""")
_ALL = _words("DEL EXISTS MGET SDIFF SINTER SUNION TOUCH UNLINK WATCH")
_FIRST = _words("""
    DECR DECRBY DUMP EXPIRE GET GETDEL GETEX HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET
    HSCAN HSET HSETNX INCR INCRBY LINDEX LLEN LPOP LPUSH LRANGE LREM LSET LTRIM PERSIST PEXPIRE PTTL RESTORE
    RPOP RPUSH RPUSHX SADD SCARD SET SETEX SISMEMBER SMEMBERS SRANDMEMBER SREM SSCAN STRLEN TTL TYPE XADD XDEL
    XLEN XRANGE XREVRANGE XTRIM ZADD ZCARD ZCOUNT ZINCRBY ZMSCORE ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYRANK
    ZREMRANGEBYSCORE ZREVRANGE ZSCAN ZSCORE
""")


class Packer(HiredisRespSerializer):
    """hiredis encodes strictly, and sealed values are bytes in the clothes of text."""

    def __init__(self, tag: str = "") -> None:
        super().__init__()
        self.tag = tag

    def pack(self, *args: Any) -> list[bytes]:
        given: Any = [vault.as_bytes(arg) if arg.__class__ is str else arg for arg in args]
        if self.tag:
            given = tagged(self.tag, given)
        try:
            packed: list[bytes] = super().pack(*given)
        except UnicodeEncodeError:  # bytes of another's that were read as text
            given = [_bytes(arg) if arg.__class__ is str else arg for arg in given]
            packed = super().pack(*given)
        return packed


class TaggedRedis(Redis):
    """Keys that a server names lose their tag again, and those of others are left out."""

    def scan_iter(
        self, match: Any = None, count: int | None = None, _type: str | None = None, **_: Any
    ) -> Iterator[Any]:
        tag = tag_of(self)
        wanted = f"{_literal(tag)}{match or '*'}"
        for key in super().scan_iter(match=wanted, count=count, _type=_type):
            yield key[len(tag) :]


def tag_of(redis: Redis) -> str:
    """The tag of all keys of this client; "" for none."""
    return str(getattr(redis.connection_pool.connection_kwargs.get("command_packer"), "tag", ""))


def tagged(tag: str, command: Sequence[Any]) -> list[Any]:
    """The command with `tag` before each of its keys."""
    name, found = _text(command[0]).upper(), list(command)
    for place in _places(name, found):
        found[place] = tag.encode() + _bytes(found[place])
    return found


def _places(name: str, command: Sequence[Any]) -> Sequence[int]:
    if name in _FIRST:
        return (1,)
    if name in ("EVAL", "EVALSHA"):
        return range(3, 3 + int(command[2]))
    if name in _ALL:
        return range(1, len(command))
    if name == "RENAME":
        return (1, 2)
    if name in ("MEMORY", "OBJECT"):
        return (2,)
    if name in _NONE or name.partition(" ")[0] in _NONE or name == "SCAN":  # SCAN: see TaggedRedis
        return ()
    raise ValueError(f"{name}: its keys are not known here")


def _literal(tag: str) -> str:
    return "".join(f"[{sign}]" if sign in "[]?*" else sign for sign in tag)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
