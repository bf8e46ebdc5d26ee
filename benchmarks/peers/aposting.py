"""The job of the asynchronous peers."""

import os

import aiohttp

BODY = {
    "text": "x" * 80,
    "text_source": "message",
    "text_source_spec": "sms",
    "started_at": "2026-11-20T08:00:00+00:00",
}
HEADERS = {"Authorization": "Bearer x"}
URL = os.environ["STUB_URL"] + "/v2/integrations/app/user/conversations?uid="


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))


async def post(client: aiohttp.ClientSession, number: int) -> None:
    async with client.post(f"{URL}peer-{number}", json=BODY, headers=HEADERS) as answer:
        answer.raise_for_status()
        await answer.read()
