"""Dramatiq: threads."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from posting import post

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor
def deliver(number: int) -> None:
    post(number)


def fill(count: int) -> None:
    for number in range(count):
        deliver.send(number)
