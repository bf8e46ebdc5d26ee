"""The job of the synchronous peers."""

import os

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

session = requests.Session()
session.trust_env = False
session.mount("http://", HTTPAdapter(pool_maxsize=100))


def post(number: int) -> None:
    session.post(f"{URL}peer-{number}", json=BODY, headers=HEADERS, timeout=30).raise_for_status()
