"""Huey: greenlets, as its documentation recommends for work that waits for the network."""

import os

from huey import RedisHuey

huey = RedisHuey("work", url=os.environ["REDIS_URL"], results=False)


@huey.task()
def deliver(number: int) -> None:
    from posting import post

    post(number)


def fill(count: int) -> None:
    for number in range(count):
        deliver(number)
