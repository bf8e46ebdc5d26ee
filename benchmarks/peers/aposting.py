"""The job of the asynchronous peers. With DURABLE it writes down what it is about to send, and what became of it."""

import json
import os

import aiohttp
import redis.asyncio

BODY = {
    "text": "x" * 80,
    "text_source": "message",
    "text_source_spec": "sms",
    "started_at": "2026-11-20T08:00:00+00:00",
}
HEADERS = {"Authorization": "Bearer x"}
URL = os.environ["STUB_URL"] + "/v2/integrations/app/user/conversations?uid="
DURABLE = redis.asyncio.from_url(os.environ["REDIS_URL"]) if os.environ.get("DURABLE") else None


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))


async def post(client: aiohttp.ClientSession, number: int) -> None:
    if DURABLE:
        await DURABLE.hset(f"intent:{number}", mapping={"state": "sending", "body": json.dumps(BODY)})
    async with client.post(f"{URL}peer-{number}", json=BODY, headers=HEADERS) as answer:
        answer.raise_for_status()
        await answer.read()
    if DURABLE:
        pipe = DURABLE.pipeline(transaction=False)
        pipe.hset(f"intent:{number}", "state", "done")
        pipe.expire(f"intent:{number}", 604800)
        await pipe.execute()
