"""What tests share: one real Valkey and one sandbox process for the run, each emptied before every test."""

from __future__ import annotations

import gc
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import ConnectionPool, Redis

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.cli import main
from integration_app.local.stack import Stack, known_names
from integration_app.providers.registry import specs
from integration_app.store import accounts, vault
from integration_app.store.connections import connect
from integration_app.store.identity import Identity
from tests.sandbox_control import SandboxControl

REPO = Path(__file__).resolve().parent.parent
PROVIDERS = REPO / "integration_app" / "providers"


START = datetime(2026, 11, 20, 8, 0, 0, 123456, tzinfo=UTC)


class Clock:
    """The time as a value: a test moves it instead of waiting, and everything that the test drives reads it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture(scope="session")
def backing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey and the sandbox as processes, without web and workers."""
    stack = Stack(tmp_path_factory.mktemp("backing"), boost=1.0, server=os.environ.get("TEST_REDIS_SERVER"))
    stack.folder.mkdir(exist_ok=True)
    try:
        stack.start_redis()
        stack.start_sandbox()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def no_collection() -> Iterator[None]:
    """For input that nests as deep as Python goes: what the collector finished down there, left by tests before, would
    fail for want of stack.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _keys_of_no_store() -> None:
    """The keys belong to the process: those of an earlier test are of its store, which may be gone."""
    vault.use(vault.Vault())
    accounts.use(accounts.Accounts())


@pytest.fixture(autouse=True)
def _no_connection_outlives_its_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Left to the collector, a socket is now and then finished before the client that would have closed it: a warning,
    in a test that has nothing to do with it.
    """
    pools: list[ConnectionPool] = []
    begin = ConnectionPool.__init__

    def begun(pool: ConnectionPool, *args: Any, **options: Any) -> None:
        begin(pool, *args, **options)
        pools.append(pool)

    monkeypatch.setattr(ConnectionPool, "__init__", begun)
    yield
    for pool in pools:
        pool.disconnect()


@pytest.fixture
def redis(backing: Stack) -> Iterator[Redis]:
    with connect(backing.env["REDIS_URL"], decode=True) as client:
        client.flushall()
        Identity(client).init(now=datetime.now(UTC))
        yield client


@pytest.fixture
def sandbox(backing: Stack) -> SandboxControl:
    control = SandboxControl(backing.sandbox_url, backing.env["OMI_APP_ID"], backing.env["OMI_API_KEY"])
    control.reset()
    return control


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many samples and mails were tried, and how they did."""
    for what, test in (("mails of the corpus", "test_corpus.py::test_a_mail"), ("samples", "::test_a_sample_ends")):
        seen = {
            outcome: [row.nodeid for row in terminalreporter.stats.get(outcome, ()) if test in row.nodeid]
            for outcome in ("passed", "failed")
        }
        if total := sum(map(len, seen.values())):
            terminalreporter.write_line(f"{what}: {len(seen['passed'])} of {total} end as they should")
    counts = {spec: len(list((PROVIDERS / spec.replace("-", "_") / "samples").glob("*.json"))) - 1 for spec in specs()}
    terminalreporter.write_line(f"samples by provider: {', '.join(f'{name} {n}' for name, n in counts.items())}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


Cli = Callable[..., Result]


@pytest.fixture
def cli(clock: Clock) -> Cli:
    """The command line, driven by the test's clock: `cli("messages", "--json")`."""

    def run(*words: str, input: str | None = None) -> Result:  # noqa: A002 - as click calls it
        return CliRunner().invoke(main, words, obj=clock, input=input)

    return run


@pytest.fixture
def settings(backing: Stack, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a complete deployment, nothing else set."""
    env = backing.env | {
        "PUBLIC_BASE_URL": "https://inbox.example.com",
        "SECRET_KEY": secrets.token_hex(16),
        "OMI_CONNECT_TIMEOUT_SECONDS": "1",
        "OMI_READ_TIMEOUT_SECONDS": "2",
        "JOB_TIMEOUT_SECONDS": "30",
        "LEASE_SECONDS": "60",
        "SMS_QUIET_SECONDS": "20",  # tests turn the clock by hand, and look at one mail at a time
        "SMS_MAX_WAIT_SECONDS": "180",
        "MEMORY_QUIET_SECONDS": "0",
        "MAIL_QUIET_SECONDS": "0",
        "DATA_KEYS": "",  # tests look at what is kept; sealed in test_at_rest.py and wherever real processes run
    }
    known = known_names()
    for name in [name for name in os.environ if name.removesuffix("_FILE") in known]:
        monkeypatch.delenv(name)
    for name in env:
        monkeypatch.setenv(name, env[name])
    return env


@pytest.fixture
def build(
    redis: Redis, settings: dict[str, str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Services]]:
    """Services over the real Valkey and the real sandbox, with settings changed as named and the clock in hand."""
    made: list[Services] = []

    def make(*, real_time: bool = False, **changed: str) -> Services:
        for name, value in changed.items():
            monkeypatch.setenv(name, value)
        made.append(bootstrap.build(clock=bootstrap.system_clock if real_time else clock))
        return made[-1]

    yield make
    for services in made:
        services.omi.close()
        services.queue_connection.close()


@pytest.fixture
def services(build: Callable[..., Services]) -> Services:
    return build()
