"""Every file one deploys by is checked by what reads it, as far as that can be had, and names only what exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_app import __version__
from integration_app.local import valkey
from integration_app.local.stack import MAILBOX, PROCESSES, known_names
from tests.conftest import REPO

BIN = Path(sys.executable).parent
BESIDE = {
    "WEB_HOST", "WEB_CONCURRENCY", "WEB_THREADS", "WEB_WORKER_CLASS", "DRAIN_SECONDS", "WORKER_SLOTS", "WORKER_CLASS",
    "WORKER_GRACE_SECONDS", "DATA_FOLDER",
}  # fmt: skip
"""Read by processes before there are settings."""
GRACE = 170
"""Seconds that a worker may need to finish: a call to Omi takes up to 160."""


def test_the_first_deployment_on_render_can_go_live_before_the_store_is_ours() -> None:
    (web,) = [row for row in read("render.yaml")["services"] if row["type"] == "web"]
    assert web["healthCheckPath"] == "/livez"


def run(*words: str | Path, **more: Any) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return f"{done.stdout}{done.stderr}"


def needed(program: str) -> str:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"no {program} here")
    return found


def read(path: str) -> Any:
    return yaml.safe_load((REPO / path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = read("compose.yaml")
    return found


# --- compose


def test_compose_follows_its_schema() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", REPO / "compose.yaml")


def test_composes_valkey_keeps_what_the_embedded_one_keeps(compose: dict[str, Any]) -> None:
    script = compose["services"]["valkey"]["entrypoint"][2]
    said = dict(re.findall(r'--([a-z-]+) "?([^\s"]*)"?', script))
    assert said | valkey.durable(Path("/data")) == said | {"dir": "/data"}


def test_composes_services_run_what_there_is_and_have_time_to_end(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for name in services if services[name].get("command") == [name]} == set(PROCESSES | MAILBOX)
    assert services["worker"]["stop_grace_period"] == f"{GRACE}s"
    assert all("mem_limit" in services[name] for name in ("valkey", "web", "worker", "mailbox", "caddy"))
    assert services["valkey"]["networks"] == ["inside"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert "environment" not in services["worker"], "settings come as a file"


def test_the_workflow_follows_its_schema() -> None:
    workflow = REPO / ".github" / "workflows" / "ci.yml"
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)


def entrypoint(settings: Path, *words: str) -> str:
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "SETTINGS": str(settings), "DATA_FOLDER": str(settings.parent / "nowhere")}
    return run("/bin/sh", REPO / "docker-entrypoint.sh", *words, env=env)


def test_what_others_made_is_named_by_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (REPO / "Dockerfile").read_text(), re.M)
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", (REPO / "Dockerfile").read_text(), re.M))
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", base) for base in set(bases) - stages)
    actions = re.findall(r"uses: (\S+)", (REPO / ".github/workflows/ci.yml").read_text())
    assert actions
    assert all(re.search(r"@[0-9a-f]{40}$", action) for action in actions)


def test_every_example_of_a_setting_reaches_the_process_as_it_is_written(tmp_path: Path) -> None:
    example = (REPO / ".env.example").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=(\S.*)$", example, re.MULTILINE))
    rows |= {"ALERT_URLS": "ntfys://host/topic?priority=high&tags=x", "OMI_APP_ID": "$(touch never)`x`;"}
    (settings := tmp_path / "settings").write_text("".join(f"{name}={value}\n" for name, value in rows.items()))
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    found = json.loads(entrypoint(settings, sys.executable, "-c", code))
    assert {name: found.get(name) for name in rows} == rows
    assert len(rows) > 30


def test_roots_container_without_a_volume_of_its_own_runs_all_the_same(tmp_path: Path) -> None:
    assert entrypoint(tmp_path / "none", "/bin/sh", "-c", "echo here").strip() == "here"


# --- images


def test_the_image_file_is_clean() -> None:
    run(BIN / "hadolint", "--failure-threshold", "warning", REPO / "Dockerfile")


def test_the_entrypoint_is_clean_shell() -> None:
    run(needed("shellcheck"), REPO / "docker-entrypoint.sh", REPO / ".ci" / "run")


# --- systemd, Kubernetes, Prometheus


@pytest.mark.parametrize("name", ["omi-inbox", "omi-inbox-web", "omi-inbox-worker", "omi-inbox-mailbox"])
def test_units_are_understood_by_systemd(name: str, tmp_path: Path) -> None:
    text = (REPO / "deploy" / "systemd" / f"{name}.service").read_text()
    (unit := tmp_path / f"{name}.service").write_text(text.replace("/opt/omi-inbox/bin", str(BIN)))
    assert run(needed("systemd-analyze"), "verify", unit).strip() == ""
    (command,) = re.findall(r"^ExecStart=/opt/omi-inbox/bin/(.*)", text, re.MULTILINE)
    line = (PROCESSES | MAILBOX).get(name.removeprefix("omi-inbox-"), "omi-inbox run")
    assert command == line.replace('"', "").replace(" --slots ${WORKER_SLOTS:-64}", "")


@pytest.mark.parametrize("path", sorted(path.name for path in (REPO / "deploy" / "kubernetes").glob("*.yaml")))
def test_kubernetes_takes_the_manifests(path: str) -> None:
    from kubernetes_validate import SchemaNotFoundError, validate

    for document in yaml.safe_load_all((REPO / "deploy" / "kubernetes" / path).read_text()):
        if document["apiVersion"].startswith(("kustomize.", "keda.")):
            continue  # not Kubernetes' own; below
        try:
            validate(document, "1.30", strict=True)
        except SchemaNotFoundError:
            pytest.fail(f"unknown to Kubernetes: {document['kind']}")


def test_kustomize_names_files_that_are_there() -> None:
    folder = REPO / "deploy" / "kubernetes"
    by_hand = {"keda.yaml", "init.yaml", "kustomization.yaml"}  # a job cannot be applied twice, and must not be
    named = {*read("deploy/kubernetes/kustomization.yaml")["resources"], *by_hand}
    assert named == {path.name for path in folder.glob("*.yaml")}
    (image,) = read("deploy/kubernetes/kustomization.yaml")["images"]
    assert image["newTag"] == __version__
    assert f":{__version__} " in (folder / "init.yaml").read_text()


def test_keda_scales_by_figures_that_we_expose() -> None:
    source = (REPO / "integration_app" / "operations" / "metrics.py").read_text()
    query = read("deploy/kubernetes/keda.yaml")["spec"]["triggers"][0]["metadata"]["query"]
    names = re.findall(r"omi_inbox_(\w+)", query)
    assert names
    assert all(f'"{name}"' in source for name in names)


def test_prometheus_takes_the_alert_rules() -> None:
    run(needed("promtool"), "check", "rules", REPO / "deploy" / "prometheus" / "alerts.yml")


# --- platforms


def test_fly_runs_everything_on_a_volume() -> None:
    found = tomllib.loads((REPO / "fly.toml").read_text())
    assert found["build"]["build-target"] in re.findall(r"AS (\w+)", (REPO / "Dockerfile").read_text())
    assert found["mounts"][0]["destination"] == found["env"]["DATA_FOLDER"]
    assert int(found["kill_timeout"].rstrip("s")) >= GRACE
    assert found["http_service"]["auto_stop_machines"] == "off"


def test_railway_gives_a_worker_time() -> None:
    found = json.loads((REPO / "railway.json").read_text())
    assert found["deploy"]["drainingSeconds"] >= GRACE
    assert found["deploy"]["overlapSeconds"] == 0, "two may not hold one volume"


def test_platforms_are_told_settings_that_exist_and_every_one_that_must_be_set() -> None:
    known = known_names() | BESIDE
    must = {"OMI_APP_ID", "OMI_API_KEY", "PUBLIC_BASE_URL", "SECRET_KEY", "DATA_KEYS"}
    render = read("render.yaml")
    (group,) = render["envVarGroups"]
    shared = {row["key"] for row in group["envVars"]}
    for service in render["services"]:
        if service["type"] == "keyvalue":
            assert service["maxmemoryPolicy"] == "noeviction"
            continue
        named = {row["key"] for row in service["envVars"] if "key" in row} | shared
        assert named <= known
        assert must | {"REDIS_URL"} <= named
    assert not any(row.get("sync") is False for row in group["envVars"]), "ignored in a group"
    heroku = set(json.loads((REPO / "app.json").read_text())["env"])
    assert heroku <= known
    assert must <= heroku


def test_heroku_finds_what_to_install() -> None:
    assert (REPO / "requirements.txt").read_text().strip() == "-r requirements.lock"
    assert "positional" not in run(sys.executable, "-m", "integration_app", "--version", cwd=REPO)
