"""`omi-inbox init`: whatever is answered, what is written is settings that can be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from integration_app import bootstrap
from integration_app.cli import main
from integration_app.local.stack import known_names
from integration_app.providers import registry

HERE = "https://inbox.omi-users.net"
APP, MYSELF = ["app", "app_1", "sk_1"], ["myself", "omi_dev_1"]
REDIS = "redis://127.0.0.1:6379/0"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def asked(*answers: str) -> Result:
    return CliRunner().invoke(main, ["init"], input="\n".join(answers) + "\n")


def vendor(channel: str) -> tuple[str, list[str]]:
    """A provider that asks for something, and answers to it."""
    known = [s for s in registry.specs().values() if channel in s.channels and s.asked and not s.is_example]
    spec = next((s for s in known if s.is_usual), known[0])
    found = spec.local_env()
    return spec.name, [found[name] for name in spec.asked]


def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {name: value or "" for name, value in dotenv_values(".env").items()}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REDIS_URL", values.get("REDIS_URL", REDIS))
    bootstrap.read_settings()
    return values


@pytest.mark.parametrize("omi", [APP, MYSELF], ids=["app", "myself"])
@pytest.mark.parametrize("wanted", ["texts", "mail", "both"])
@pytest.mark.parametrize("redis", ["", REDIS], ids=["embedded", "redis"])
def test_every_way_through_it(omi: list[str], wanted: str, redis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [*omi, f"{HERE}/", wanted]
    sms, mail = vendor("sms"), vendor("email")
    answers += ["+15550009999", sms[0]] if wanted != "mail" else []
    answers += ["in.omi-users.net", mail[0]] if wanted != "texts" else []
    answers += (sms[1] if wanted != "mail" else []) + (mail[1] if wanted != "texts" else [])
    result = asked(*answers, redis)
    assert result.exit_code == 0, result.output
    values = written(monkeypatch)
    assert ("INBOX_PHONE" in values, "INBOX_DOMAIN" in values) == (wanted != "mail", wanted != "texts")
    assert values["PUBLIC_BASE_URL"] == HERE
    assert ("REDIS_URL" in values) == bool(redis)
    on = set(bootstrap.read_settings()[1])
    assert on == {name for name, wants in ((sms[0], wanted != "mail"), (mail[0], wanted != "texts")) if wants}
    assert all(f"{HERE}/webhooks/{name}" in result.output for name in on)
    assert ("Auth URL" in result.output) == (omi is APP)
    assert all(values[name] not in result.output for name in ("SECRET_KEY", "DATA_KEYS"))


def test_what_a_setting_would_refuse_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sms = vendor("sms")
    result = asked(*APP, "inbox", HERE, "texts", "0555", "+15550009999", "", *sms[1], "localhost:6379", REDIS)
    assert result.exit_code == 0, result.output
    assert result.output.count("Error:") == 3
    assert written(monkeypatch)["INBOX_PHONE"] == "+15550009999"


def test_a_password_with_signs_of_a_shell_comes_back_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = 'a$b #d"e`f'
    asked(MYSELF[0], "a'b", "a\\", odd, HERE, "texts", "+15550009999", "", *vendor("sms")[1], "")
    assert written(monkeypatch)["OMI_DEVELOPER_KEY"] == odd


def test_for_compose_a_valkey_with_a_password_of_its_own_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [*APP, HERE, "texts", "+15550009999", "", *vendor("sms")[1]]
    result = CliRunner().invoke(main, ["init", "--compose"], input="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    values = written(monkeypatch)
    assert values["REDIS_URL"] == f"redis://:{values['VALKEY_PASSWORD']}@valkey:6379/0"
    assert "docker compose up -d" in result.output


def test_what_is_here_already_is_not_overwritten() -> None:
    Path(".env").write_text("OMI_APP_ID=a\n")
    result = CliRunner().invoke(main, ["init", "--new"], input="app\n")
    assert result.exit_code == 2
    assert Path(".env").read_text() == "OMI_APP_ID=a\n"


@pytest.mark.parametrize("name", ["REDIS_URL", "PUBLIC_BASE_URL"])
def test_a_setting_that_is_exported_by_chance_does_not_stop_the_questions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, HERE if name == "PUBLIC_BASE_URL" else REDIS)
    assert asked(*APP, HERE, "texts", "+15550009999", "", *vendor("sms")[1], "").exit_code == 0
    assert Path(".env").exists()


def test_a_folder_that_cannot_be_written_is_told_before_the_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integration_app.cli.init.os.access", lambda *_: False)  # root may write everywhere
    result = asked()
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_commands_find_the_embedded_store_wherever_settings_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    from integration_app.cli.output import use_local_stack

    Path("data/valkey").mkdir(parents=True)
    monkeypatch.setenv("OMI_APP_ID", "app_1")
    use_local_stack()
    assert os.environ.pop("REDIS_URL").endswith("/data/valkey.sock")
    monkeypatch.setenv("REDIS_URL_FILE", "/run/secrets/redis")
    use_local_stack()
    assert "REDIS_URL" not in os.environ


def test_what_the_provider_would_refuse_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _, good = vendor("sms")
    answers = [*APP, HERE, "texts", "+15550009999", "", *(value[:3] for value in good), *good, ""]
    result = asked(*answers)
    assert result.exit_code == 0, result.output
    assert "at least 16 characters" in result.output
    written(monkeypatch)


def test_run_a_second_time_it_says_that_all_is_set_up() -> None:
    assert asked(*APP, HERE, "texts", "+15550009999", "", *vendor("sms")[1], "").exit_code == 0
    for name in ("OMI_APP_ID", "OMI_API_KEY", "PUBLIC_BASE_URL"):
        os.environ.pop(name, None)
    again = asked()
    assert again.exit_code == 0
    assert "set up already" in again.output


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_that_appears_meanwhile_gets_no_secrets(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from integration_app.cli import init

    made = init._channels

    def meanwhile() -> object:
        if kind == "file":
            Path(".env").touch(mode=0o666)
        else:
            Path(".env").symlink_to("elsewhere")
        return made()

    monkeypatch.setattr(init, "_channels", meanwhile)
    result = asked(*APP, HERE, "texts", "+15550009999", "", *vendor("sms")[1], "")
    assert result.exit_code == 2
    assert "cannot be made" in result.output
    assert not Path("elsewhere").exists()
    assert Path(".env").is_symlink() or Path(".env").read_text() == ""


@pytest.mark.parametrize("raw", [b"OMI_APP_ID=a\nOPERATOR_NAME=Jos\xe9\n", b"OMI_APP_ID=a\0b\n"])
def test_a_file_that_is_no_text_is_a_sentence(raw: bytes) -> None:
    Path(".env").write_bytes(raw)
    result = CliRunner().invoke(main, ["installations"])
    assert result.exit_code == 2
    assert "cannot be read" in result.output


@pytest.mark.parametrize("omi", [APP, MYSELF], ids=["app", "myself"])
def test_a_messenger_alone_is_enough(omi: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    spec = next(spec for spec in registry.specs().values() if spec.provider.gives_receipts)
    found = spec.local_env()
    result = asked(*omi, HERE, "chats", spec.name, *(found[name] for name in spec.asked), "")
    assert result.exit_code == 0, result.output
    assert set(written(monkeypatch)) >= set(spec.asked) | set(spec.made())
    assert f"omi-inbox {spec.name} set-webhook" in result.output
    assert ("omi-inbox link --code" in result.output) == (omi is MYSELF)
