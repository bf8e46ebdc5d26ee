"""Several primaries, and a cluster, as real processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from redis import Redis
from redis.crc import key_slot

from integration_app.local import valkey
from integration_app.local.ports import free_port
from integration_app.store.shards.moving import Moving
from integration_app.store.shards.turn import MOVER
from tests.sentinels import within

HOST = "127.0.0.1"
SLOTS = 16384


def forget_mover(moving: Moving) -> None:
    """A mover is taken for dead at once, not after ten seconds without a sign of life."""
    moving._each[0].delete(MOVER)


class Server:
    """One valkey-server in a folder of its own, which keeps what it is told over a restart."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(0)
        self._command = [
            valkey.server_path(valkey.EMBEDDED),
            *("--port", str(self.port), "--bind", HOST, "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "always", "--save", "", *words),
        ]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def client(self) -> Redis:
        return Redis(HOST, self.port, decode_responses=True)

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        within(10, self._answers)

    def _answers(self) -> bool:
        with self.client() as client:
            return bool(client.ping())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Primaries:
    """`count` servers that know nothing of each other."""

    def __init__(self, folder: Path, count: int) -> None:
        self.servers = [Server(folder / f"primary-{number}") for number in range(count)]

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def close(self) -> None:
        for server in self.servers:
            server.kill()


class Cluster:
    """Three primaries that share the slots, and with `replicas` one replica of each."""

    def __init__(self, folder: Path, *, replicas: bool = False, timeout_ms: int = 2000) -> None:
        count = 6 if replicas else 3
        self.servers = [Server(folder / f"node-{number}", *self._words(timeout_ms)) for number in range(count)]
        self._join()
        if replicas:
            for number in range(3):
                self._replicate(number)
        within(20, self.is_whole)

    def _words(self, timeout_ms: int) -> list[str]:
        return [
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            str(free_port(0)),
            "--cluster-node-timeout",
            str(timeout_ms),
        ]

    def url(self, parts: int) -> str:
        return f"redis+cluster://{','.join(f'{HOST}:{server.port}' for server in self.servers)}/{parts}"

    def _join(self) -> None:
        share = SLOTS // 3 + 1
        for number, server in enumerate(self.servers):
            with server.client() as client:
                if number < 3:
                    first, last = number * share, min(SLOTS, (number + 1) * share) - 1
                    client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for other in self.servers[1:]:
            bus = int(other._command[other._command.index("--cluster-port") + 1])
            with self.servers[0].client() as client:
                client.execute_command("CLUSTER MEET", HOST, other.port, bus)

    def _replicate(self, number: int) -> None:
        primary = self.name_of(number)
        replica = self.servers[number + 3]

        def told() -> bool:
            with replica.client() as client:
                return bool(client.execute_command("CLUSTER REPLICATE", primary))

        within(20, told)

    def primaries(self) -> list[int]:
        """The numbers of the nodes that have slots."""
        found = []
        for number, server in enumerate(self.servers):
            with server.client() as client:
                if client.info("replication")["role"] == "master":
                    found.append(number)
        return found

    def is_whole(self) -> bool:
        """Whether every slot has a primary, and every primary its replica."""
        return all(self._state(server) and self._replica_is_there(server) for server in self.servers)

    def _state(self, server: Server) -> bool:
        with server.client() as client:
            facts = client.cluster("info")
            return bool(facts["cluster_state"] == "ok") and int(facts["cluster_known_nodes"]) == len(self.servers)

    def _replica_is_there(self, server: Server) -> bool:
        if len(self.servers) == 3:
            return True
        with server.client() as client:
            facts = client.info("replication")
            return bool(facts["role"] == "master" and facts["connected_slaves"] == 1) or bool(
                facts.get("master_link_status") == "up"
            )

    def name_of(self, number: int) -> str:
        with self.servers[number].client() as client:
            return str(client.execute_command("CLUSTER MYID"))

    def owner(self, tag: str, *, asked: int = 0) -> int:
        """The number of the node that has the slot of this tag, as node `asked` knows."""
        slot = key_slot(tag.encode())
        with self.servers[asked].client() as client:
            for first, last, (_, port, *_), *_ in client.execute_command("CLUSTER SLOTS"):
                if first <= slot <= last:
                    return next(number for number, server in enumerate(self.servers) if server.port == port)
        raise AssertionError(f"no node has {tag}")

    def move(self, tag: str, to: int) -> None:
        """Give the slot of this tag to another node, as a whole, and wait until it is there."""
        slot, target = key_slot(tag.encode()), self.name_of(to)
        with self.servers[self.owner(tag)].client() as client:
            client.execute_command("CLUSTER MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target)
        within(20, lambda: self.owner(tag) == to)

    def close(self) -> None:
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()
