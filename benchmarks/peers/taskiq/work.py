"""taskiq: one event loop, a Redis stream with acknowledgements."""

import asyncio
import os

from aposting import post, session
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(url=os.environ["REDIS_URL"])
state = {}


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(_: TaskiqState) -> None:
    state["client"] = session()


@broker.task
async def deliver(number: int) -> None:
    await post(state["client"], number)


async def _fill(count: int) -> None:
    await broker.startup()
    for number in range(count):
        await deliver.kiq(number)
    await broker.shutdown()


def fill(count: int) -> None:
    asyncio.run(_fill(count))
