"""Several primaries and a cluster, one set of processes for the run, emptied before every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration_app.bootstrap import Services
from tests.clusters import Cluster, Primaries
from tests.sandbox_control import SandboxControl
from tests.shards.helpers import UIDS, Wide


@pytest.fixture(scope="session")
def primaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Primaries]:
    made = Primaries(tmp_path_factory.mktemp("primaries"), 3)
    yield made
    made.close()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture
def several(primaries: Primaries, build: Callable[..., Services], sandbox: SandboxControl) -> Wide:
    """Services over `count` emptied primaries."""

    def make(count: int = 2, **more: Any) -> Services:
        for server in primaries.servers:
            with server.client() as client:
                client.flushall()
        services = build(REDIS_URL="", REDIS_URLS=" ".join(primaries.urls[:count]), **more)
        services.identity.init(now=services.clock())
        sandbox.enable(*UIDS)
        return services

    return make


@pytest.fixture
def in_cluster(cluster: Cluster, build: Callable[..., Services], sandbox: SandboxControl, settings: Any) -> Services:
    """Services over a cluster's slots, four parts; RQ beside it."""
    for server in cluster.servers:
        with server.client() as client:
            client.flushall()
    services = build(REDIS_URL="", REDIS_URLS=cluster.url(4), RQ_REDIS_URL=settings["REDIS_URL"])
    services.identity.init(now=services.clock())
    sandbox.enable(*UIDS)
    return services


@pytest.fixture(params=["primaries", "cluster"])
def wide(request: pytest.FixtureRequest) -> Services:
    found = request.getfixturevalue("several" if request.param == "primaries" else "in_cluster")
    return found() if request.param == "primaries" else found  # type: ignore[no-any-return]
