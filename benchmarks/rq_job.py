"""What a stock RQ worker does for one delivery, as RQ's own documentation would have it: a job that posts."""

import os

import requests

from benchmarks.loop import BODY


def deliver(number: int) -> None:
    url = f"{os.environ['STUB_URL']}/v2/integrations/app/user/conversations?uid=rq-{number}"
    requests.post(url, json=BODY, headers={"Authorization": "Bearer x"}, timeout=10).raise_for_status()
