"""Personal mode: the same pipeline, delivering through the Developer API for the one person whose key it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import requests

from integration_app.bootstrap import Services
from integration_app.pipeline.delivery.due_dates import due_at
from tests.conftest import Cli, Clock
from tests.integration.helpers import PHONE, link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl


@pytest.fixture(params=["2026-05", "newest"])
def own(
    build: Callable[..., Services],
    sandbox: SandboxControl,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Services:
    sandbox.version(request.param)
    sandbox.enable("u")
    key = requests.post(f"{sandbox.url}/_sandbox/users/u/keys", json={}, timeout=5).json()["key"]
    for name in ("OMI_APP_ID", "OMI_API_KEY"):
        monkeypatch.delenv(name)
    services = build(OMI_DEVELOPER_KEY=key)
    link(services, "me")
    return services


def test_texts_become_one_conversation_as_an_apps_do(own: Services, sandbox: SandboxControl, clock: Clock) -> None:
    first = text(own, "Landed.")
    clock.pass_time(seconds=5)
    text(own, "Room 12.")
    run_to_rest(own, clock)
    (row,) = sandbox.conversations("u")
    assert row["external_data"]["text"] == "Me: Landed.\n\nMe: Room 12."
    assert row["discarded"] is False, "short, and wanted all the same"
    assert row["started_at"].startswith("2026-11-20T08:00:00")
    assert state(own, first, "me") == "done"


def test_remember_becomes_memories_and_todo_an_action_item(
    own: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    text(own, "remember: the key is with Mara #home")
    text(own, "todo: call the dentist by Friday at 5pm")
    run_to_rest(own, clock)
    (memory,) = sandbox.memories("u")
    assert (memory["content"], memory["tags"]) == ("the key is with Mara", ["home"])
    items = requests.get(f"{sandbox.url}/_sandbox/users/u", timeout=5).json()["action_items"]
    assert [(item["description"], item["due_at"]) for item in items] == [
        ("call the dentist by Friday at 5pm", "2026-11-27T17:00:00+00:00")
    ]


@pytest.mark.parametrize("fault", ["504", "drop_after", "error_after"])
@pytest.mark.parametrize(
    ("words", "route"),
    [
        ("Hello", "dev_create_conversation"),
        ("todo: water the plants", "dev_create_action_items"),
        ("remember: x y", "dev_create_memories"),
    ],
)
def test_an_unknown_outcome_loses_and_doubles_nothing(
    own: Services, sandbox: SandboxControl, clock: Clock, fault: str, words: str, route: str
) -> None:
    sandbox.fault(fault, route=route, times=1)
    message_id = text(own, words)
    run_to_rest(own, clock)
    user = requests.get(f"{sandbox.url}/_sandbox/users/u", timeout=5).json()
    assert len(user["conversations"]) + len(user["memories"]) + len(user["action_items"]) == 1
    assert state(own, message_id, "me") == "done"


def test_a_rate_limit_holds_and_a_read_only_key_holds_everything(
    own: Services, sandbox: SandboxControl, clock: Clock, build: Callable[..., Services]
) -> None:
    sandbox.fault("429", route="dev_create_conversation", times=1, retry_after=30)
    message_id = text(own, "Hello")
    run_to_rest(own, clock, within=timedelta(seconds=25))
    assert state(own, message_id, "me") == "waiting"
    run_to_rest(own, clock)
    assert state(own, message_id, "me") == "done"
    key = requests.post(f"{sandbox.url}/_sandbox/users/u/keys", json={"scopes": None}, timeout=5).json()["key"]
    read_only = build(OMI_DEVELOPER_KEY=key)
    held = text(read_only, "Hello again")
    run_to_rest(read_only, clock, within=timedelta(minutes=5))
    assert state(read_only, held, "me") == "waiting"


def test_link_needs_no_uid(own: Services, cli: Cli) -> None:
    assert own.omi.is_personal
    assert cli("link", "--phone", "+15550004444").exit_code == 0
    assert own.installations.with_phone("+15550004444") == ["me"]
    assert cli("link", "--uid", "somebody", "--phone", "+15550004444").exit_code == 2
    assert PHONE in (own.installations.get("me") or pytest.fail("gone")).phones
    assert "accepts OMI_DEVELOPER_KEY" in cli("doctor").output


def test_either_key_and_not_both(monkeypatch: pytest.MonkeyPatch, build: Callable[..., Services]) -> None:
    from integration_app.errors import SettingsError

    with pytest.raises(SettingsError, match="OMI_DEVELOPER_KEY"):
        build(OMI_DEVELOPER_KEY="omi_dev_x")


FRIDAY = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("call Mara by Monday", datetime(2026, 11, 23, 23, 59, tzinfo=UTC)),
        ("call Mara by Friday at 5pm", datetime(2026, 11, 27, 17, 0, tzinfo=UTC)),
        ("call Mara tomorrow at 9:30", datetime(2026, 11, 21, 9, 30, tzinfo=UTC)),
        ("call Mara tonight", datetime(2026, 11, 20, 23, 59, tzinfo=UTC)),
        ("call Mara on 2026-12-01", datetime(2026, 12, 1, 23, 59, tzinfo=UTC)),
        ("call Mara in 2 weeks", datetime(2026, 12, 4, 23, 59, tzinfo=UTC)),
        ("call Mara by tue", datetime(2026, 11, 24, 23, 59, tzinfo=UTC)),
        ("read The Sun", None),
        ("call Mara at 9:30", None),
        ("by 2026-99-99", None),
    ],
)
def test_due_dates(words: str, expected: datetime | None) -> None:
    assert due_at(words, FRIDAY) == expected
