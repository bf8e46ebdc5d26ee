"""A cluster whose slots move and whose primaries die."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from redis.crc import key_slot
from redis.exceptions import RedisError

from integration_app.bootstrap import Services
from tests.clusters import Cluster
from tests.conftest import Clock
from tests.integration.helpers import PHONE, link, text
from tests.sandbox_control import SandboxControl
from tests.sentinels import within
from tests.shards.helpers import UIDS, homes, other_than, taken, work, work_now
from tests.unit.factories import message


def test_slots_move_while_texts_arrive(
    in_cluster: Services, cluster: Cluster, clock: Clock, sandbox: SandboxControl
) -> None:
    link(in_cluster, *UIDS)
    for number in range(4):
        tag = f"{{s{number:03d}}}"
        text(in_cluster, f"text {number}.")
        cluster.move(tag, (cluster.owner(tag) + 1) % 3)
    work(in_cluster, clock)
    for uid in UIDS:
        said = "\n".join(sandbox.texts(uid))
        assert [said.count(f"text {number}.") for number in range(4)] == [1] * 4


def test_a_slot_that_moves_key_by_key_rests(in_cluster: Services, cluster: Cluster) -> None:
    """Half of a user's keys would be here and half there; nothing is read or written by halves."""
    link(in_cluster, *UIDS)
    for number, uid in enumerate(UIDS):
        in_cluster.installations.link_phone(uid, f"+1555000200{number}")
    mine = [number for number, uid in enumerate(UIDS) if homes(in_cluster)[uid] == 0]
    texts = [message("x", sender=f"+1555000200{number}", dedupe_keys=(f"x{number}",)) for number in mine]
    slot, source = key_slot(b"{s000}"), cluster.owner("{s000}")
    target = (source + 1) % 3
    steps = ((target, "IMPORTING", cluster.name_of(source)), (source, "MIGRATING", cluster.name_of(target)))
    for node, what, other in steps:
        with cluster.servers[node].client() as client:
            client.execute_command("CLUSTER SETSLOT", slot, what, other)
    for one in texts:
        with pytest.raises(RedisError):
            in_cluster.intake.accept(one)
    for node, *_ in steps:
        with cluster.servers[node].client() as client:
            client.execute_command("CLUSTER SETSLOT", slot, "STABLE")
    assert all(in_cluster.intake.accept(one).uids == 1 for one in texts)


def test_a_failover_of_a_cluster_loses_nothing(
    build: Callable[..., Services], sandbox: SandboxControl, settings: dict[str, str], tmp_path: Path
) -> None:
    """The primary of a part dies right after texts were acknowledged and a user has come there; its replica takes over."""
    cluster = Cluster(tmp_path, replicas=True, timeout_ms=1000)
    try:
        quick = {"SMS_QUIET_SECONDS": "0", "SMS_MAX_WAIT_SECONDS": "0", "OMI_SETTLE_SECONDS": "1", "ACK_REPLICAS": "1"}
        where = {"REDIS_URL": "", "REDIS_URLS": cluster.url(2), "RQ_REDIS_URL": settings["REDIS_URL"]}
        services = build(real_time=True, **quick, **where)
        services.identity.init(now=services.clock())
        sandbox.enable(*UIDS)
        link(services, *UIDS)
        epochs = [part.identity.epoch() for part in services.parts]
        text(services, "before.")
        assert services.moving
        services.moving.move(UIDS[0], other_than(services, UIDS[0]))
        moved_to = homes(services)[UIDS[0]]
        services.moving.done()
        tag = f"{{s{moved_to:03d}}}"
        node = cluster.owner(tag)
        cluster.servers[node].kill()
        within(20, lambda: cluster.owner(tag, asked=(node + 1) % 3) != node)
        cluster.servers[node].start()  # as a replica of the one that took over
        within(20, lambda: taken(services, message("after.", sender=PHONE, dedupe_keys=("after",))))
        assert services.parts[moved_to].identity.epoch() > epochs[moved_to]
        within(60, lambda: work_now(services))
        for uid in UIDS:
            said = "\n".join(sandbox.texts(uid))
            assert [said.count("before."), said.count("after.")] == [1, 1], uid
    finally:
        cluster.close()
