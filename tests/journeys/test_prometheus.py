"""A real Prometheus scrapes the running stack, loads the alert rules, and answers what the dashboard asks."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from integration_app import bootstrap
from integration_app.local.ports import free_port
from integration_app.local.stack import Stack
from tests.conftest import REPO
from tests.journeys.conftest import FAST, Journey

TOKEN = "m" * 24
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: omi-inbox
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Journey, str]]:
    """The stack, and the address of a Prometheus that looks at it."""
    binary = shutil.which("prometheus")
    if not binary:
        pytest.skip("no prometheus here: apt-get install prometheus")
    with Stack(tmp_path / "stack", settings=FAST | {"METRICS_TOKENS": TOKEN}) as stack:
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        services = bootstrap.build()
        config, port = tmp_path / "prometheus.yml", free_port(0)
        rules = REPO / "deploy" / "prometheus" / "alerts.yml"
        config.write_text(CONFIG.format(rules=rules, token=TOKEN, target=stack.web_url.removeprefix("http://")))
        process = subprocess.Popen(
            [binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield Journey(stack, services), f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)
            services.omi.close()
            services.queue_connection.close()


def test_dashboard_and_alerts_on_a_running_stack(measured: tuple[Journey, str]) -> None:
    journey, url = measured
    assert journey.text("one").status_code == 200
    journey.until(lambda: journey.held() == "Me: one")

    def ask(path: str, **query: str) -> Any:
        try:
            return requests.get(f"{url}/api/v1/{path}", params=query, timeout=5).json()["data"]
        except requests.RequestException:
            return {"result": [], "groups": []}

    def value(expression: str) -> float:
        rows = ask("query", query=expression)["result"]
        return float(rows[0]["value"][1]) if rows else -1.0

    journey.until(lambda: value('omi_inbox_deliveries_total{state="done"}') == 1, 60)
    board = json.loads((REPO / "deploy" / "grafana" / "omi-inbox.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            answer = requests.get(f"{url}/api/v1/query", params={"query": target["expr"]}, timeout=5)
            assert answer.status_code == 200, (panel["title"], answer.text)
    assert value("omi_inbox_workers") == 1

    def rule(name: str) -> dict[str, Any]:
        rows = [row for group in ask("rules")["groups"] for row in group["rules"] if row["name"] == name]
        return rows[0] if rows else {"health": "", "state": ""}

    journey.until(lambda: rule("OmiInboxNoWorker")["health"] == "ok")
    assert all(row["health"] == "ok" for group in ask("rules")["groups"] for row in group["rules"])
    assert rule("OmiInboxNoWorker")["state"] == "inactive"
    journey.stack.kill("worker")
    wait_for(lambda: rule("OmiInboxNoWorker")["state"] == "pending", 120)


def wait_for(look: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.5)
