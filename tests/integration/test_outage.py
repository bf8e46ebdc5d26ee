"""A Redis that cannot be used: doctor says why, and the doors answer 503, whatever stands at the address."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError

from integration_app.bootstrap import Services
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from integration_app.store.outage import why
from integration_app.web.app import create_app
from tests.clusters import Cluster, Primaries, Server
from tests.conftest import Cli, Clock

HOST, BASE = "127.0.0.1", "https://inbox.example.com"


class Door:
    """Takes connections and does one thing with each."""

    def __init__(self, does: Callable[[socket.socket], None]) -> None:
        self._does = does
        self._made = socket.create_server((HOST, 0))
        self.port: int = self._made.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self._does(self._made.accept()[0])
            except OSError:
                if self._made.fileno() < 0:
                    return

    def close(self) -> None:
        self._made.shutdown(socket.SHUT_RDWR)
        self._made.close()


def hang_up(one: socket.socket) -> None:
    one.close()


def hang_up_later(one: socket.socket) -> None:
    one.recv(4096)
    one.close()


def say_nonsense(one: socket.socket) -> None:
    one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    one.close()


@pytest.fixture
def door() -> Iterator[Callable[[Callable[[socket.socket], None]], int]]:
    made: list[Door] = []

    def make(does: Callable[[socket.socket], None]) -> int:
        made.append(Door(does))
        return made[-1].port

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("does", [hang_up, hang_up_later, say_nonsense])
def test_what_hangs_up_before_it_has_answered_is_an_outage(
    build: Callable[..., Services],
    cli: Cli,
    door: Callable[[Callable[[socket.socket], None]], int],
    does: Callable[[socket.socket], None],
    settings: dict[str, str],
    clock: Clock,
) -> None:
    """A balancer without a server behind it takes each connection and closes it; so does a port that wants TLS."""
    services = build(REDIS_URL=f"redis://{HOST}:{door(does)}/0")
    client = create_app(services).test_client()
    assert client.get("/readyz").status_code == 503
    made = registry.specs()["hello"].sender
    assert made
    sent = made(settings).build_request(SampleMessage(sender="x", to="a@in.example.com", text="x"), BASE, clock())
    assert client.post(sent.path, headers=dict(sent.headers), data=sent.body).status_code == 503
    said = cli("doctor")
    assert said.exit_code == 1
    assert ("it hangs up → rediss://" in said.stdout) is (does is not say_nonsense), said.stdout


def test_tls_that_cannot_be_checked_or_is_not_spoken_is_told(
    build: Callable[..., Services],
    cli: Cli,
    door: Callable[[Callable[[socket.socket], None]], int],
    tmp_path: Path,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    port = door(lambda one: context.wrap_socket(one, server_side=True).close())
    build(REDIS_URL=f"rediss://{HOST}:{port}/0")
    assert "its certificate cannot be checked → SSL_CERT_FILE=" in cli("doctor").stdout
    build(REDIS_URL=f"rediss://{HOST}:{door(say_nonsense)}/0")
    assert "it does not speak TLS → redis://" in cli("doctor").stdout


def certificate(folder: Path) -> Path:
    """Its key and itself, signed by nobody."""
    assert shutil.which("openssl")
    made = folder / "server.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=redis -keyout {made} -out {folder}/crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    made.write_text(made.read_text() + (folder / "crt").read_text())
    return made


def test_a_login_that_is_refused_is_told_without_the_password(
    build: Callable[..., Services], cli: Cli, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    try:
        with server.client() as client:
            client.config_set("requirepass", "right")
        build(REDIS_URL=f"redis://:wrong-password@{HOST}:{server.port}/0")
        said = cli("doctor").stdout
        assert "it refuses the login" in said
        assert "wrong-password" not in said
        build(REDIS_URL=f"redis://{HOST}:{server.port}/0")
        assert "it refuses the login" in cli("doctor").stdout
    finally:
        server.kill()


def test_a_node_of_a_cluster_is_told(build: Callable[..., Services], cli: Cli, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    try:
        build(REDIS_URL=f"redis://{HOST}:{cluster.servers[0].port}/0")
        assert "it is a node of a cluster → REDIS_URLS=redis+cluster://" in cli("doctor").stdout
    finally:
        cluster.close()


def test_all_that_are_away_are_told(build: Callable[..., Services], cli: Cli, tmp_path: Path) -> None:
    both = Primaries(tmp_path, 2)
    build(REDIS_URL="", REDIS_URLS=" ".join(both.urls))
    both.close()
    assert "each of REDIS_URLS: nothing listens there" in cli("doctor").stdout
    assert "shard 0: nothing listens there; shard 1: nothing listens there" in cli("shards", "list").output
    build(REDIS_URLS="redis+cluster://127.0.0.1:1/4", RQ_REDIS_URL="redis://127.0.0.1:1/0")
    assert "each of REDIS_URLS: nothing listens there" in cli("doctor").stdout


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (ReadOnlyError("x"), "it is a replica"),
        (BusyLoadingError("x"), "it still loads its data"),
        (OutOfMemoryError("x"), "it is full"),
        (ValueError("x"), "it fails (ValueError)"),
    ],
)
def test_each_answer_has_its_sentence(error: Exception, what: str) -> None:
    assert why(error)[0] == what
