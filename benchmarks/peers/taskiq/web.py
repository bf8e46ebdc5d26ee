"""The webhook of measurement E2: FastAPI verifies the signature, drops what it has seen, and hands over to taskiq."""

import base64
import hmac
import os
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl

import redis.asyncio
from fastapi import FastAPI, Request, Response
from work import broker, deliver

TOKEN, BASE = os.environ["TWILIO_AUTH_TOKENS"].encode(), os.environ["PUBLIC_BASE_URL"]
seen = redis.asyncio.from_url(os.environ["REDIS_URL"])


@asynccontextmanager
async def life(_: FastAPI):
    await broker.startup()
    yield
    await broker.shutdown()


app = FastAPI(lifespan=life)


@app.post("/webhooks/twilio")
async def webhook(request: Request) -> Response:
    fields = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    signed = BASE + "/webhooks/twilio" + "".join(name + value for name, value in sorted(set(fields)))
    made = base64.b64encode(hmac.digest(TOKEN, signed.encode(), "sha1")).decode()
    if not hmac.compare_digest(made, request.headers.get("x-twilio-signature", "")):
        return Response(status_code=403)
    if await seen.set(f"seen:{dict(fields)['MessageSid']}", 1, nx=True, ex=86400):
        await deliver.kiq(0)
    return Response("<Response></Response>", media_type="text/xml")
