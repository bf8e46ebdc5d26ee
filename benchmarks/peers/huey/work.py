"""Huey: greenlets, as its documentation recommends for work that waits for the network."""

import os
import sys

from huey import RedisHuey

huey = RedisHuey("work", url=os.environ["REDIS_URL"], results=False)


@huey.task()
def deliver(number: int) -> None:
    from posting import post

    post(number)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        deliver(number)
