"""The job of the synchronous peers. With DURABLE it writes down what it is about to send, and what became of it."""

import json
import os

import redis
import requests
from requests.adapters import HTTPAdapter

BODY = {
    "text": "x" * 80,
    "text_source": "message",
    "text_source_spec": "sms",
    "started_at": "2026-11-20T08:00:00+00:00",
}
HEADERS = {"Authorization": "Bearer x"}
URL = os.environ["STUB_URL"] + "/v2/integrations/app/user/conversations?uid="

DURABLE = redis.Redis.from_url(os.environ["REDIS_URL"]) if os.environ.get("DURABLE") else None

session = requests.Session()
session.trust_env = False
session.mount("http://", HTTPAdapter(pool_maxsize=100))


def post(number: int) -> None:
    if DURABLE:
        DURABLE.hset(f"intent:{number}", mapping={"state": "sending", "body": json.dumps(BODY)})
    session.post(f"{URL}peer-{number}", json=BODY, headers=HEADERS, timeout=30).raise_for_status()
    if DURABLE:
        pipe = DURABLE.pipeline(transaction=False)
        pipe.hset(f"intent:{number}", "state", "done")
        pipe.expire(f"intent:{number}", 604800)
        pipe.execute()
