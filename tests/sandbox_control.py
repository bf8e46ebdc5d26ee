"""The sandbox's control API, for tests. Speaks HTTP, as anybody else must."""

from __future__ import annotations

from typing import Any

import requests


class SandboxControl:
    def __init__(self, url: str, app_id: str, api_key: str) -> None:
        self.url = url
        self.app_id = app_id
        self.api_key = api_key

    def reset(self) -> None:
        self._post("/reset")
        self._post("/boost", {"boost": 1})
        self.version("newest")

    def version(self, version: str) -> None:
        self._post("/omi", {"version": version})

    def enable(self, *uids: str) -> None:
        for uid in uids:
            self._post(f"/users/{uid}/enable")

    def disable(self, uid: str) -> None:
        self._post(f"/users/{uid}/disable")

    def fault(self, fault: str, route: str = "create_conversation", times: int | None = 1, **more: Any) -> None:
        self._post("/faults", {"fault": fault, "route": route, "times": times, **more})

    def clear_faults(self) -> None:
        requests.delete(f"{self.url}/_sandbox/faults", timeout=5).raise_for_status()

    def boost(self, factor: float) -> None:
        self._post("/boost", {"boost": factor})

    def advance(self, seconds: float) -> None:
        self._post("/clock", {"advance": seconds})

    def latency(self, seconds: float) -> None:
        self._post("/latency", {"seconds": seconds})

    def app(self, **changes: Any) -> None:
        self._post("/app", changes)

    def calls(self, route: str | None = None, uid: str | None = None) -> list[dict[str, Any]]:
        wanted = {name: value for name, value in {"route": route, "uid": uid}.items() if value}
        return list(self._get("/requests", **wanted)["requests"])

    def conversations(self, uid: str) -> list[dict[str, Any]]:
        return list(self._user(uid)["conversations"])

    def texts(self, uid: str) -> list[str]:
        """The texts of all conversations, oldest first."""
        rows = sorted(self.conversations(uid), key=lambda row: str(row["started_at"]))
        return [row["external_data"]["text"] for row in rows]

    def notifications(self, uid: str) -> list[dict[str, Any]]:
        return list(self._get("/notifications", uid=uid)["notifications"])

    def memories(self, uid: str) -> list[dict[str, Any]]:
        return list(self._user(uid)["memories"])

    def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "right",
        app_id: str | None = None,
        headers: dict[str, str] | None = None,
        **how: Any,
    ) -> requests.Response:
        """A bare call of the v2 API; `path` behind the app id."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {self.api_key if key == 'right' else key}"
        url = f"{self.url}/v2/integrations/{app_id or self.app_id}{path}"
        return requests.request(method, url, headers=sent, timeout=10, allow_redirects=False, **how)

    def _user(self, uid: str) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/_sandbox/users/{uid}", timeout=5)
        if answer.status_code == 404:
            return {"conversations": [], "memories": []}
        user: dict[str, Any] = answer.json()
        return user

    def _post(self, path: str, json: Any = None) -> Any:
        answer = requests.post(f"{self.url}/_sandbox{path}", json=json, timeout=5)
        answer.raise_for_status()
        return answer.json()

    def _get(self, path: str, **params: str) -> Any:
        answer = requests.get(f"{self.url}/_sandbox{path}", params=params, timeout=5)
        answer.raise_for_status()
        return answer.json()
