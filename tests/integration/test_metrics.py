"""`/metrics`: what Prometheus reads, behind a token; the same from every process, and no user in a label."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from integration_app.bootstrap import Services
from integration_app.web import door_times
from integration_app.web.app import create_app
from tests.conftest import REPO, Clock
from tests.integration.helpers import link, run_to_rest, text
from tests.sandbox_control import SandboxControl

TOKEN = "m" * 24


@pytest.fixture
def metered(build: Callable[..., Services], sandbox: SandboxControl) -> Services:
    sandbox.enable("u-secret-name")
    services = build(METRICS_TOKENS=TOKEN)
    link(services, "u-secret-name")
    return services


def scraped(services: Services) -> tuple[str, dict[tuple[str, tuple[str, ...]], float]]:
    client = create_app(services).test_client()
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    rows = [row for family in text_string_to_metric_families(answer.text) for row in family.samples]
    return answer.text, {(row.name, tuple(value for _, value in sorted(row.labels.items()))): row.value for row in rows}


def test_what_happened_is_in_the_figures(metered: Services, sandbox: SandboxControl, clock: Clock) -> None:
    text(metered, "one")
    run_to_rest(metered, clock)
    text(metered, "two")
    create_app(metered).test_client().post("/webhooks/hello", json={})
    said, found = scraped(metered)
    assert found["omi_inbox_webhooks_total", ("stored", "any")] == 2
    assert found["omi_inbox_webhooks_total", ("bad signature", "hello")] == 1
    assert found["omi_inbox_deliveries_total", ("done",)] == 1
    assert found["omi_inbox_messages_total", ("done",)] == 1
    assert found["omi_inbox_waiting_by_cause", ("waiting_for_more",)] == 1
    assert 0 < found["omi_inbox_redis_seconds", ()] < 5
    assert found["omi_inbox_messages_waiting", ()] == 1
    assert found["omi_inbox_users_waiting", ()] == 1
    assert found["omi_inbox_arrival_seconds_bucket", ("30",)] == 1, "the quiet window is twenty seconds"
    assert found["omi_inbox_arrival_seconds_bucket", ("10",)] == 0
    assert found["omi_inbox_omi_call_seconds_bucket", ("+Inf",)] == 1
    assert "u-secret-name" not in said
    clock.pass_time(minutes=5)
    _, later = scraped(metered)
    assert later["omi_inbox_oldest_overdue_seconds", ()] > 200
    assert later["omi_inbox_users_overdue", ()] == 1


def test_gates_say_why(
    metered: Services, sandbox: SandboxControl, clock: Clock, build: Callable[..., Services]
) -> None:
    text(metered, "one")
    clock.pass_time(seconds=30)
    wrong = build(OMI_API_KEY="sk_wrong", METRICS_TOKENS=TOKEN)
    wrong.drain.run("u-secret-name")
    _, found = scraped(wrong)
    assert found["omi_inbox_gate_closed", ("all", "key_refused")] == 1
    assert found["omi_inbox_call_failures_total", ("ours",)] == 1
    assert found["omi_inbox_alarms_total", ()] >= 1


def test_strangers_get_none(metered: Services, services: Services) -> None:
    client = create_app(metered).test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code == 401


def test_off_unless_there_is_a_token(services: Services) -> None:
    assert create_app(services).test_client().get("/metrics").status_code == 404


# --- the files that go with them ---------------------------------------------------------------------------------


NAME = re.compile(r"omi_inbox_[a-z_]+")


@pytest.fixture
def names(metered: Services, sandbox: SandboxControl, clock: Clock) -> set[str]:
    """Every figure that there is, once all kinds of things have happened."""
    sandbox.fault("error_before", route="create_conversation", times=1)
    text(metered, "one")
    run_to_rest(metered, clock)
    return {name for name, _ in scraped(metered)[1]} | {"omi_inbox_gate_closed", "omi_inbox_waiting_by_cause"}


def test_alert_rules_name_figures_that_exist_and_say_what_to_do(names: set[str]) -> None:
    rules = yaml.safe_load((REPO / "deploy" / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(found) >= 7
    for rule in found:
        assert set(NAME.findall(rule["expr"])) <= names, rule["alert"]
        assert rule["annotations"]["what_to_do"]


def test_the_dashboard_names_figures_that_exist(names: set[str]) -> None:
    board = json.loads((REPO / "deploy" / "grafana" / "omi-inbox.json").read_text(encoding="utf-8"))
    used = {name for panel in board["panels"] for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert len(used) >= 12
    assert used <= names


def test_merged_messages_are_counted(metered: Services, sandbox: SandboxControl, clock: Clock) -> None:
    for words in ("one", "two", "three"):
        text(metered, words)
    run_to_rest(metered, clock)
    _, found = scraped(metered)
    assert found["omi_inbox_messages_total", ("done",)] - found["omi_inbox_deliveries_total", ("done",)] == 2


def test_the_doors_are_timed_in_every_process_and_added_up(metered: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_times, "FLUSH_SECONDS", 0.0)
    for _ in range(2):
        client = create_app(metered).test_client()
        for _ in range(3):
            client.post("/webhooks/hello", json={})
    _, found = scraped(metered)
    assert found["omi_inbox_door_seconds_bucket", ("+Inf",)] == 6
    assert found["omi_inbox_door_seconds_bucket", ("10",)] == 6


def test_promtool_takes_the_text(metered: Services) -> None:
    promtool = shutil.which("promtool")
    if not promtool:
        pytest.skip("no promtool here: apt-get install prometheus")
    said, _ = scraped(metered)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=said, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
