"""The command line: data to standard output, talk to standard error, exit codes as documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from click import Command, Context, Group
from redis import Redis

from integration_app import __version__
from integration_app.bootstrap import Services
from integration_app.cli import main
from integration_app.cli.groups import SECTIONS
from integration_app.cli.output import _fit
from integration_app.model import GateScope
from integration_app.providers import registry
from tests.conftest import Cli, Clock
from tests.integration.helpers import link, refusal, run_to_rest, text
from tests.sandbox_control import SandboxControl


def test_link_prints_nothing_but_the_address_to_standard_output(services: Services, cli: Cli) -> None:
    result = cli("link", "--uid", "u", "--phone", "(555) 000-1111", "--region", "US")
    assert result.exit_code == 0, result.output
    address = result.stdout.strip()
    local, _, domain = address.partition("@")
    assert (len(local), domain) == (16, "in.example.com")
    assert services.installations.with_phone("+15550001111") == ["u"]
    assert "+15550001111" not in result.stderr, "addresses are masked"


def test_linking_again_keeps_the_address(cli: Cli) -> None:
    first, second = (cli("link", "--uid", "u", "--email").stdout for _ in range(2))
    assert first == second


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    "words",
    [
        ("--uid", "u"),
        ("--uid", "no spaces", "--email"),
        ("--uid", "u", "--phone", "x"),
        ("--uid", "u", "--phone", "12"),
    ],
)
def test_wrong_use_ends_with_2(words: tuple[str, ...], cli: Cli) -> None:
    assert cli("link", *words).exit_code == 2


def test_installations_and_messages(services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli) -> None:
    sandbox.enable("u")
    link(services, "u")
    message_id = text(services, "my private words")
    run_to_rest(services, clock)
    (row,) = json.loads(cli("installations", "--json").stdout)
    assert (row["uid"], row["state"], row["phones"], row["waiting"]) == ("u", "enabled", ["+1555…11"], 0)
    (message,) = json.loads(cli("messages", "--json").stdout)
    assert (message["id"], message["state"]) == (message_id, "done")
    assert message_id in cli("messages").stdout
    story = cli("messages", "show", message_id)
    assert "accepted (HTTP 200)" in story.stdout
    assert "private words" not in story.output
    assert json.loads(cli("messages", "--state", "parked", "--json").stdout) == []


@pytest.mark.usefixtures("services")
def test_a_message_that_does_not_exist_ends_with_3(cli: Cli) -> None:
    assert cli("messages", "show", "m0").exit_code == 3
    assert cli("resume", "--uid", "nobody").exit_code == 3


def test_a_missing_redis_ends_with_75(services: Services, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = cli("installations")
    assert result.exit_code == 75
    assert "REDIS_URL" in result.stderr


def test_wrong_settings_end_with_2(services: Services, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("PORT", "none")
    result = cli("installations")
    assert result.exit_code == 2
    assert "PORT" in result.stderr


def test_resume_sends_at_once_what_waits(services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli) -> None:
    link(services, "u")
    text(services, "hello")
    clock.pass_time(seconds=21)
    services.drain.run("u")
    sandbox.enable("u")
    assert cli("resume", "--uid", "u").exit_code == 0
    services.drain.run("u")
    assert sandbox.texts("u") == ["Me: hello"]


def test_resume_does_not_promise_what_it_cannot_keep(services: Services, clock: Clock, cli: Cli) -> None:
    link(services, "u")
    until = services.clock() + timedelta(days=3650)
    services.gates.close(GateScope.ALL, "u", None, refusal(until, "Omi refused our API key"), now=clock())
    assert "everybody still waits" in cli("resume", "--uid", "u").stderr
    assert "everybody still waits" not in cli("resume", "--everybody").stderr


def test_a_phone_can_be_taken_away(services: Services, cli: Cli) -> None:
    cli("link", "--uid", "u", "--phone", "+15550001111")
    assert "also serves u" in cli("link", "--uid", "v", "--phone", "+15550001111").stderr
    assert cli("unlink", "--uid", "u", "--phone", "+15550001111").exit_code == 0
    assert services.installations.with_phone("+15550001111") == ["v"]
    assert cli("unlink", "--uid", "u", "--phone", "+15550001111").exit_code == 3


def test_a_mexican_mobile_is_found_in_either_spelling(services: Services, cli: Cli) -> None:
    cli("link", "--uid", "u", "--phone", "+525512345678")
    for spelled in ("+525512345678", "+5215512345678"):
        assert services.installations.with_phone(spelled) == ["u"]


@pytest.mark.usefixtures("services")
def test_providers_are_listed_and_explained_with_the_operators_url(cli: Cli) -> None:
    assert "https://inbox.example.com/webhooks/hello" in cli("providers").stdout
    shown = cli("providers", "show", "hello").stdout
    assert "https://inbox.example.com/webhooks/hello" in shown
    assert "{url}" not in shown
    assert cli("providers", "show", "nobody").exit_code == 3


@pytest.mark.usefixtures("services")
def test_every_sample_that_is_listed_can_be_sent(cli: Cli) -> None:
    for linked in ("+15550001111", *(spec.account for spec in registry.specs().values() if spec.account)):
        assert cli("link", "--uid", "u", "--phone", linked).exit_code == 0
    for name in cli("send-sample").stdout.split():
        result = cli("send-sample", name, "--to", "http://127.0.0.1:1")
        assert result.exit_code == 75, f"{name}: composed, signed, and nobody was there"


@pytest.mark.usefixtures("services")
def test_a_web_that_is_down_is_a_sentence(cli: Cli) -> None:
    cli("link", "--uid", "u", "--phone", "+15550001111")
    result = cli("send-sample", "hello-note", "--to", "http://127.0.0.1:1")
    assert result.exit_code == 75
    assert "does not answer" in result.stderr


def test_an_id_with_half_an_emoji_does_not_break_the_list(services: Services, cli: Cli) -> None:
    link(services, "u")
    text(services, "x", event_id="\ud800a")
    assert cli("messages", "--json").exit_code == 0


def test_doctor_names_each_check(services: Services, sandbox: SandboxControl, cli: Cli) -> None:
    checks = json.loads(cli("doctor", "--json").stdout)
    by_name = {check["name"]: check for check in checks}
    assert by_name["redis"]["ok"]
    assert by_name["persistence"]["ok"]
    assert by_name["omi"]["ok"], by_name["omi"]
    assert not by_name["workers"]["ok"]
    assert cli("doctor").exit_code == 1


def test_doctor_tells_a_wrong_key_and_a_missing_omi_apart(
    services: Services, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setenv("OMI_API_KEY", "sk_wrong")
    assert "refuses OMI_API_KEY" in cli("doctor").stdout
    monkeypatch.setenv("OMI_BASE_URL", "http://127.0.0.1:1")
    assert "no connection to Omi" in cli("doctor").stdout


def test_doctor_goes_on_without_redis(services: Services, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    said = cli("doctor")
    assert said.exit_code == 1
    assert "nothing listens there" in said.stdout
    assert "settings" in said.stdout
    assert services.settings.omi_base_url in said.stdout, "Omi is looked at all the same"


def test_migrate_refuses_a_store_that_is_not_ours(services: Services, redis: Redis, cli: Cli) -> None:
    redis.flushdb()
    assert services.identity.is_ours() is False
    said = cli("migrate")
    assert said.exit_code != 0
    assert "omi-inbox init" in said.output


def test_doctor_names_every_wrong_setting(services: Services, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    monkeypatch.delenv("OMI_API_KEY")
    monkeypatch.setenv("LEASE_SECONDS", "1")
    result = cli("doctor")
    assert result.exit_code == 1
    assert "OMI_API_KEY: is not set" in result.stdout
    assert "LEASE_SECONDS" in result.stdout


@pytest.mark.usefixtures("services")
def test_samples_are_listed_and_unknown_ones_refused(cli: Cli) -> None:
    listed = cli("send-sample").stdout.split()
    assert len(listed) >= 5
    assert cli("send-sample", "no-such").exit_code == 2


def test_the_version_names_what_messages_go_through(cli: Cli) -> None:
    said = cli("--version").stdout
    assert re.fullmatch(
        rf"omi-inbox {re.escape(__version__)} \(Python 3[\d.]+, redis \S+, rq \S+, gunicorn \S+\)\n", said
    )


def test_every_command_has_its_place_and_one_line_in_the_help(cli: Cli) -> None:
    said = cli("--help")
    named = {name for names in SECTIONS.values() for name in names}
    assert named <= set(main.list_commands(Context(main)))
    assert named >= set(main.commands), "a new command goes into a section"
    for line in said.stdout.splitlines():
        assert len(line) <= 80
        assert not line.endswith("...") or line.startswith("Usage")


def commands(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    if not isinstance(command, Group):
        yield path, command
        return
    if command.invoke_without_command:
        yield path, command
    for name in command.list_commands(Context(command)):
        found = command.get_command(Context(command), name)
        assert found is not None
        yield from commands(found, (*path, name))


def test_every_command_that_answers_speaks_json() -> None:
    runs = {"run", "dev", "demo", "sandbox", "tail", "operator-password"}  # until Ctrl-C, or for a person
    without = [
        " ".join(path)
        for path, command in commands(main)
        if path[0] not in runs and not any("--json" in option.opts for option in command.params)
    ]
    assert without == []


def test_what_was_done_is_told_as_json_and_so_is_what_was_not(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    link(services, "u")
    text(services, "one")
    assert json.loads(cli("resume", "--uid", "u", "--json").stdout) == {"waiting": {"u": 1}, "gates": {}}
    missing = cli("unlink", "--uid", "u", "--phone", "+15550009876", "--json")
    assert missing.exit_code == 3
    assert "is not linked" in json.loads(missing.stdout)["error"]
    assert cli("resume", "--uid", "u").stderr.startswith("1 message of 1 user looked at now")


def test_tail_follows_what_happens(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.enable("u")
    link(services, "u")
    old = text(services, "long ago")
    new: list[str] = []

    def meanwhile(_: float) -> None:
        if new:
            raise KeyboardInterrupt
        new.append(text(services, "my private words"))
        run_to_rest(services, clock)

    monkeypatch.setattr("integration_app.cli.tail.time.sleep", meanwhile)
    said = cli("tail", "--last", "0", "--json")
    rows = [json.loads(line) for line in said.stdout.splitlines()]
    events = [row["event"] for row in rows if row["message"] == new[0]]
    assert events == ["received", "begun", "settled"]
    assert [row["event"] for row in rows if row["message"] == old] == ["begun", "settled"], "what happens to it now"
    assert "private words" not in said.stdout


def test_a_table_fits_the_terminal_and_keeps_its_ids() -> None:
    widths = [24, 10, 200, 60]
    _fit(widths, 80)
    assert sum(widths) + 6 <= 80
    assert widths[:2] == [24, 10]
