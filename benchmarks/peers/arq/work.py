"""arq: one event loop."""

import asyncio
import os
from typing import Any

from aposting import post, session
from arq import create_pool
from arq.connections import RedisSettings

REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def deliver(ctx: dict[str, Any], number: int) -> None:
    await post(ctx["client"], number)


async def startup(ctx: dict[str, Any]) -> None:
    ctx["client"] = session()


class WorkerSettings:
    functions = [deliver]
    on_startup = startup
    redis_settings = REDIS
    max_jobs = 100
    keep_result = 0


async def _fill(count: int) -> None:
    pool = await create_pool(REDIS)
    for number in range(count):
        await pool.enqueue_job("deliver", number)


def fill(count: int) -> None:
    asyncio.run(_fill(count))
