"""A small Omi app as a developer would have it: it counts glasses of water, and keeps the count as a memory."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import requests


class Water:
    """`base_url`, `app_id`, `api_key`: of Omi, or of the sandbox."""

    def __init__(self, base_url: str, app_id: str, api_key: str) -> None:
        self._root = f"{base_url}/v2/integrations/{app_id}"
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def glasses(self, uid: str) -> int:
        """How many conversations of today speak of a glass of water."""
        since = f"{datetime.now(UTC):%Y-%m-%d}"
        answer = self._call("GET", "conversations", {"uid": uid, "start_date": since})
        texts = ((row.get("external_data") or {}).get("text") or "" for row in answer.json()["conversations"])
        return sum("glass of water" in text for text in texts)

    def note(self, uid: str) -> None:
        """Keep today's count as a memory. The same words are stored once, so this may be repeated."""
        words = f"Drank {self.glasses(uid)} glasses of water on {datetime.now(UTC):%d %B %Y}"
        self._call("POST", "user/memories", {"uid": uid}, {"text": None, "memories": [{"content": words}]})

    def _call(self, method: str, path: str, query: dict[str, str], body: object = None) -> requests.Response:
        while True:
            answer = requests.request(
                method, f"{self._root}/{path}", params=query, json=body, headers=self._headers, timeout=30
            )
            if answer.status_code != 429:
                answer.raise_for_status()
                return answer
            time.sleep(float(answer.headers["Retry-After"]))
