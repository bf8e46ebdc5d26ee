"""Beside other queues: W2 and E2."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import requests

from benchmarks.accepting import texts, users
from benchmarks.harness import (
    Bench,
    Row,
    Size,
    answers,
    bench,
    cpu_seconds,
    ours,
    post_all,
    spread,
    worker_cpu,
)
from integration_app.local.ports import free_port

KINDS, DEFAULT = ("gevent", "threads"), "gevent"
ENOUGH = 1000
"""Deliveries; fewer are over before they can be measured."""
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True, slots=True)
class Peer:
    """`worker`: the words that start it, the program first. `python`: whether our target is set against it."""

    name: str
    worker: tuple[str, ...]
    python: bool = True

    @property
    def folder(self) -> Path:
        return PEERS / self.name

    def program(self, name: str) -> str:
        return str(self.folder / ".venv" / "bin" / name) if self.python else str(shutil.which(name))

    def installed(self) -> str | None:
        """Install it if need be. Its version; None where it cannot be had."""
        made = self.folder / (".venv" if self.python else "node_modules")
        if not made.exists():
            click.echo(f"installing {self.name} into {made.relative_to(PEERS.parent)}", err=True)
            try:
                self._install(made)
            except (subprocess.CalledProcessError, OSError) as error:
                click.echo(f"{self.name} cannot be installed: {type(error).__name__}", err=True)
                shutil.rmtree(made, ignore_errors=True)
                return None
        return self._version()

    def _install(self, made: Path) -> None:
        if not self.python:
            subprocess.run(
                [str(shutil.which("npm")), "install", "--silent", "--no-package-lock"],
                cwd=self.folder,
                capture_output=True,
                check=True,
            )
            return
        subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
        pip = [str(made / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(self.folder / "requirements.txt")], capture_output=True, check=True)

    def _version(self) -> str:
        if not self.python:
            code = "console.log(JSON.parse(require('fs').readFileSync('node_modules/bullmq/package.json')).version)"
            command = [self.program("node"), "-e", code]
        else:
            command = [
                self.program("python"),
                "-c",
                f"from importlib.metadata import version; print(version('{self.name}'))",
            ]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True).stdout.strip()


ALL = (
    Peer("celery", ("celery", "-A", "work", "worker", "--pool=gevent", "--concurrency=100", "--loglevel=error",
                    "--without-gossip", "--without-mingle")),
    Peer("dramatiq", ("dramatiq", "work", "--processes", "1", "--threads", "100")),
    Peer("huey", ("huey_consumer", "work.huey", "-k", "greenlet", "-w", "100", "-n")),
    Peer("arq", ("arq", "work.WorkerSettings")),
    Peer("taskiq", ("taskiq", "worker", "work:broker", "--workers", "1", "--max-async-tasks", "100")),
    Peer("bullmq", ("node", "work.mjs", "work"), python=False),
)  # fmt: skip


def peers(size: Size, latency_ms: float = 50.0) -> list[Row]:
    """W2: deliveries per CPU-second of the worker, ours ÷ theirs, same stub, same body, 100 at a time; theirs as they
    are, and with their intent and outcome written down as ours are.
    """
    versions = {peer: version for peer in ALL if (version := peer.installed())}
    kinds = [(peer, is_durable) for peer in versions for is_durable in (False, True)]
    ratios: dict[tuple[Peer, bool], dict[str, list[float]]] = {one: {kind: [] for kind in KINDS} for one in kinds}
    for _ in range(_rounds(size)):
        mine = {}
        for kind in KINDS:
            with bench(latency_ms, WORKER_SLOTS="100", WORKER_CLASS=kind) as run_:
                mine[kind] = ours(run_, max(size.deliveries, ENOUGH))
        for (peer, is_durable), found in ratios.items():
            with bench(latency_ms) as run_:
                theirs = _theirs(run_, peer, max(size.deliveries, ENOUGH), is_durable)
            for kind, values in found.items():
                values.append(theirs / mine[kind])
    rows = []
    for (peer, is_durable), found in ratios.items():
        shown = ", ".join(f"{kind} {spread(values)}" for kind, values in found.items())
        met = not peer.python or statistics.median(found[DEFAULT]) > 1
        how = ", intent and outcome written down" if is_durable else ""
        what = f"deliveries per CPU-second of the worker ÷ {peer.name} {versions[peer]}{how}, {latency_ms:g} ms"
        rows.append(Row("W2", what, "> 1" if peer.python else "stated", shown, met))
    return rows


def _rounds(size: Size) -> int:
    return max(2, size.rounds - 2)


def _environment(run_: Bench, is_durable: bool) -> dict[str, str]:
    plain = {"REDIS_URL": run_.stack.env["REDIS_URL"], "STUB_URL": run_.stub_url, "PYTHONPATH": str(PEERS)}
    return plain | ({"DURABLE": "1"} if is_durable else {})


def _theirs(run_: Bench, peer: Peer, count: int, is_durable: bool) -> float:
    """CPU seconds per delivery of a peer's worker."""
    env = _environment(run_, is_durable)
    fill = ["python", "-c", f"import work; work.fill({count})"] if peer.python else ["node", "work.mjs", str(count)]
    command = [peer.program(fill[0]), *fill[1:]]
    subprocess.run(command, cwd=peer.folder, env=os.environ | env, check=True, stdout=subprocess.DEVNULL)
    _begin(run_, peer, env)
    return worker_cpu(run_, run_.stack.processes["peer"].pid, count)


def _begin(run_: Bench, peer: Peer, env: dict[str, str]) -> None:
    run_.spawn("peer", [peer.program(peer.worker[0]), *peer.worker[1:]], cwd=peer.folder, env=env)


def pipeline(size: Size) -> list[Row]:
    """E2: CPU per message from the webhook to Omi, ours ÷ FastAPI with taskiq: the cheapest of the peers' pipelines."""
    peer = next(peer for peer in ALL if peer.name == "taskiq")
    version = peer.installed()
    if version is None:
        return []
    ratios: dict[bool, dict[str, list[float]]] = {durable: {kind: [] for kind in KINDS} for durable in (False, True)}
    for _ in range(_rounds(size)):
        theirs = {is_durable: _their_pipeline(peer, size.requests, is_durable) for is_durable in ratios}
        for kind in KINDS:
            mine = _our_pipeline(size.requests, kind)
            for is_durable, found in ratios.items():
                found[kind].append(mine / theirs[is_durable])
    rows = []
    for is_durable, found in ratios.items():
        shown = ", ".join(f"{kind} {spread(values)}" for kind, values in found.items())
        how = " with intent and outcome written down" if is_durable else ""
        what = f"CPU per message, webhook in → delivered, ÷ FastAPI + taskiq {version}{how}, 50 ms"
        rows.append(Row("E2", what, "< 1", shown, statistics.median(found[DEFAULT]) < 1))
    return rows


def _our_pipeline(count: int, kind: str) -> float:
    kind_of_web = "gevent" if kind == "gevent" else "gthread"
    with bench(50.0, WORKER_SLOTS="100", WORKER_CLASS=kind, WEB_WORKER_CLASS=kind_of_web) as run_:
        users(run_, "e", count)
        for name in ("web", "worker"):
            run_.stack.start(name)
        run_.until(lambda: answers(f"{run_.stack.web_url}/livez"))
        run_.until(lambda: requests.get(f"{run_.stack.web_url}/readyz", timeout=5).json().get("workers", 0) > 0)
        pids = [run_.stack.processes[name].pid for name in ("web", "worker")]
        return _through(run_, count, int(run_.stack.env["PORT"]), pids)


def _their_pipeline(peer: Peer, count: int, is_durable: bool) -> float:
    with bench(50.0) as run_:
        env = _environment(run_, is_durable) | {
            name: run_.stack.env[name] for name in ("TWILIO_AUTH_TOKENS", "PUBLIC_BASE_URL")
        }
        port = free_port(0)
        _begin(run_, peer, env)
        web = ["web:app", "--port", str(port), "--workers", str(os.cpu_count()), "--log-level", "error"]
        run_.spawn("peer-web", [peer.program("uvicorn"), *web], cwd=peer.folder, env=env)
        run_.until(lambda: answers(f"http://127.0.0.1:{port}/nothing"))
        pids = [run_.stack.processes[name].pid for name in ("peer", "peer-web")]
        return _through(run_, count, port, pids)


def _through(run_: Bench, count: int, port: int, pids: list[int]) -> float:
    """CPU seconds per message of these processes, from the first webhook until the last is delivered."""
    sent = texts(run_, count)
    before, seen = sum(map(cpu_seconds, pids)), run_.count()
    post_all(port, sent)
    run_.until(lambda: run_.count() >= seen + count)
    return (sum(map(cpu_seconds, pids)) - before) / count
