"""`python -m benchmarks.loop URL COUNT`: the reference for delivering, one session that posts, and nothing else."""

import sys

import requests

BODY = {
    "text": "x" * 80,
    "text_source": "message",
    "text_source_spec": "sms",
    "started_at": "2026-11-20T08:00:00+00:00",
}


def main(url: str, count: int) -> None:
    session = requests.Session()
    session.trust_env = False
    for number in range(count):
        path = f"{url}/v2/integrations/app/user/conversations?uid=loop-{number}"
        session.post(path, json=BODY, headers={"Authorization": "Bearer x"}, timeout=10).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
