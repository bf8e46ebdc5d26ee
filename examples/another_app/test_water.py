"""How another app is tested on the sandbox: `pip install omi-sandbox pytest`, then `pytest`."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from water import Water


@pytest.fixture
def water(omi_sandbox: Any) -> Water:
    omi_sandbox.enable("u1")
    return Water(omi_sandbox.url, omi_sandbox.app_id, omi_sandbox.api_key)


def drank(omi_sandbox: Any, uid: str = "u1") -> None:
    """A conversation, as another app of this user's would make it."""
    requests.post(
        f"{omi_sandbox.url}/v2/integrations/{omi_sandbox.app_id}/user/conversations",
        params={"uid": uid},
        json={"text": "Me: I had a glass of water", "text_source": "message"},
        headers={"Authorization": f"Bearer {omi_sandbox.api_key}"},
        timeout=10,
    ).raise_for_status()


def test_glasses_are_counted(omi_sandbox: Any, water: Water) -> None:
    assert water.glasses("u1") == 0
    drank(omi_sandbox)
    drank(omi_sandbox)
    assert water.glasses("u1") == 2


def test_the_count_is_kept_once(omi_sandbox: Any, water: Water) -> None:
    drank(omi_sandbox)
    water.note("u1")
    water.note("u1")
    (memory,) = omi_sandbox.user("u1")["memories"]
    assert memory["content"].startswith("Drank 1 glasses")


def test_a_limit_is_waited_for(omi_sandbox: Any, water: Water) -> None:
    omi_sandbox.fault("rate_limited", "create_memories", retry_after=1)
    water.note("u1")
    assert len(omi_sandbox.user("u1")["memories"]) == 1


def test_a_user_who_left_is_an_error(omi_sandbox: Any, water: Water) -> None:
    omi_sandbox.disable("u1")
    with pytest.raises(requests.HTTPError, match="403"):
        water.glasses("u1")


@pytest.mark.parametrize("version", ["2026-05", "newest"])
def test_it_works_with_both_versions_of_omi(omi_sandbox: Any, water: Water, version: str) -> None:
    omi_sandbox.version(version)
    drank(omi_sandbox)
    assert water.glasses("u1") == 1
