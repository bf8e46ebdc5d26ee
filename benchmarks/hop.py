"""`python -m benchmarks.hop URL COUNT`: takes moments from a list as fast as Redis hands them over, and says how late."""

import sys
import time

import redis


def main(url: str, count: int) -> None:
    client = redis.Redis.from_url(url)
    client.set("hop:ready", 1)
    late = []
    for _ in range(count):
        found = client.blpop(["hop:list"], timeout=30)
        assert isinstance(found, tuple | list)
        late.append(time.time() - float(found[1]))
    client.rpush("hop:late", *late)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
