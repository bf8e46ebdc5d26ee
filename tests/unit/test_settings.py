"""The environment: every mistake at once, and `.env.example` in step with the code."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from integration_app import bootstrap
from integration_app.errors import SettingsError
from integration_app.local.stack import known_names
from integration_app.providers import registry
from integration_app.settings import names
from tests.conftest import REPO


def mistakes(monkeypatch: pytest.MonkeyPatch, **env: str) -> dict[str, list[str]]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        bootstrap.read_settings()
    return caught.value.mistakes


def test_a_complete_environment_is_accepted(settings: dict[str, str]) -> None:
    found, providers = bootstrap.read_settings()
    assert found.omi_app_id == settings["OMI_APP_ID"]
    assert set(providers) == set(registry.specs())


def test_every_mistake_is_reported_at_once_by_name(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMI_API_KEY", "SECRET_KEY"):
        monkeypatch.delenv(name)
    found = mistakes(
        monkeypatch, PORT="x", REDIS_URL="http://x", INBOX_DOMAIN="a@b", PUBLIC_BASE_URL="inbox", TWILIO_AUTH_TOKENS=" "
    )
    assert {
        "OMI_API_KEY",
        "SECRET_KEY",
        "PORT",
        "REDIS_URL",
        "INBOX_DOMAIN",
        "PUBLIC_BASE_URL",
        "TWILIO_AUTH_TOKENS",
    } <= set(found)
    assert found["OMI_API_KEY"] == ["is not set"]


def test_half_a_provider_is_a_mistake(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWILIO_AUTH_TOKENS")
    assert list(mistakes(monkeypatch)) == ["TWILIO_AUTH_TOKENS"]


def test_a_provider_without_settings_is_off(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in registry.specs().values():
        for name in spec.settings:
            monkeypatch.delenv(name, raising=False)
    assert bootstrap.read_settings()[1] == {}


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"JOB_TIMEOUT_SECONDS": "3"}, "JOB_TIMEOUT_SECONDS"),
        ({"LEASE_SECONDS": "30"}, "LEASE_SECONDS"),
        ({"SMS_QUIET_SECONDS": "500"}, "SMS_MAX_WAIT_SECONDS"),
    ],
)
def test_settings_are_checked_against_each_other(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, env: dict[str, str], named: str
) -> None:
    assert list(mistakes(monkeypatch, **env)) == [named]


def test_a_secret_may_lie_in_a_file(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("sk_from_a_file\n")
    monkeypatch.delenv("OMI_API_KEY")
    monkeypatch.setenv("OMI_API_KEY_FILE", str(secret))
    assert bootstrap.read_settings()[0].omi_api_key == "sk_from_a_file"


def test_a_file_that_cannot_be_read_is_a_mistake_like_any_other(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMI_API_KEY_FILE", "/nonexistent")
    found = mistakes(monkeypatch, PORT="x")
    assert {"OMI_API_KEY_FILE", "PORT"} <= set(found)


def test_blanks_around_the_items_of_a_list_do_not_count(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELLO_TOKENS", "old-token-of-before , new-token-of-today")
    hello = bootstrap.read_settings()[1]["hello"]
    assert hello._tokens == ("old-token-of-before", "new-token-of-today")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "name",
    [
        "HELLO_TOKENS", "HELLO_SMS_TOKENS", "RAW_MAIL_TOKENS", "TWILIO_AUTH_TOKENS", "MAILGUN_SIGNING_KEYS",
        "POSTMARK_WEBHOOK_USERS", "SENDGRID_WEBHOOK_USERS", "STANDARD_WEBHOOKS_SECRETS", "SENDGRID_PUBLIC_KEYS",
        "SES_SNS_TOPIC_ARNS", "OMI_WEBHOOK_SECRETS",
    ],
)  # fmt: skip
@pytest.mark.parametrize("entry", ["", "x", " "])
def test_an_empty_or_short_entry_of_a_list_of_secrets_is_a_mistake(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, entry: str
) -> None:
    given = settings.get(name) or "user:a-long-password-of-ours"
    assert name in mistakes(monkeypatch, **{name: f"{given},{entry}"})


def test_secrets_do_not_show(settings: dict[str, str]) -> None:
    shown = repr(bootstrap.read_settings()[0])
    for name in ("OMI_API_KEY", "SECRET_KEY", "REDIS_URL"):
        assert settings[name] not in shown


def test_env_example_lists_every_name_and_no_other() -> None:
    text = (REPO / ".env.example").read_text(encoding="utf-8")
    listed = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    of_processes = {
        "WEB_HOST",
        "WEB_CONCURRENCY",
        "WEB_THREADS",
        "WEB_WORKER_CLASS",
        "WORKER_SLOTS",
        "WORKER_CLASS",
        "DRAIN_SECONDS",
        "WORKER_GRACE_SECONDS",
    }
    of_providers = {name for spec in registry.specs().values() for name in spec.settings}
    assert listed == {*names(), *of_providers, *of_processes}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"REDIS_URLS": "redis://a:1/0,redis://b:2/0"}, "with spaces between them"),
        ({"REDIS_URLS": "redis://a:x/0 redis://b/0"}, "ports as numbers"),
        ({"REDIS_URLS": "redis+cluster://a,b/999", "RQ_REDIS_URL": "redis://q/0"}, "1 to 256"),
        ({"REDIS_URLS": "redis+cluster://a,b/16"}, "RQ_REDIS_URL: must be set with a cluster"),
        ({"REDIS_URLS": "redis://a/0 redis+cluster://b/4"}, "several primaries, or one cluster"),
        ({"REDIS_URL": "redis://c/0", "REDIS_URLS": "redis://a/0 redis://b/0"}, "must begin with REDIS_URL"),
        ({"REDIS_URLS": "redis://a/0 redis://b/0", "OMI_MAX_REQUESTS_PER_MINUTE": "1"}, "must be at least 2"),
    ],
)
def test_several_redis_are_named_so_that_they_are_understood(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    monkeypatch.delenv("REDIS_URL")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        bootstrap.read_settings()


@pytest.mark.parametrize("name", ["OMI_API_KEY", "OMI_DEVELOPER_KEY"])
@pytest.mark.parametrize("key", [b"made_up\nX-Other: 1", "made_üp".encode(), b"made_up\x7f", b" "])
def test_a_key_that_cannot_stand_in_a_header_is_a_mistake(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, key: bytes
) -> None:
    if name == "OMI_DEVELOPER_KEY":
        monkeypatch.delenv("OMI_APP_ID")
        monkeypatch.delenv("OMI_API_KEY")
    # As the process gets it in a locale that may know ASCII alone.
    assert name in mistakes(monkeypatch, **{name: os.fsdecode(key)})


@pytest.mark.parametrize(
    "value",
    ["http://[::1", "redis://:made-up@\u2100/0", "9" * 400, "\u00b2", "nan", "[", "::,,%zz", "whsec_*", "\u202e"],
)
def test_a_strange_value_is_a_mistake_or_taken_whatever_the_setting(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    for name in sorted(known_names()):
        with monkeypatch.context() as changed:
            changed.setenv(name, os.fsdecode(value.encode()))  # as in a locale that may know ASCII alone
            assert "made-up" not in said(), name


def said() -> str:
    try:
        bootstrap.read_settings()
    except SettingsError as error:
        return str(error)
    return ""


def test_settings_that_stand_in_a_file_which_nobody_read_are_said_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMI_API_KEY", raising=False)
    error = SettingsError({"OMI_API_KEY": ["is not set"]})
    assert bootstrap.with_cure(error) == str(error)
    Path(".env").write_text("OMI_API_KEY=sk_1\n", encoding="utf-8")
    assert "set -a; . ./.env" in bootstrap.with_cure(error)
    assert "sk_1" not in bootstrap.with_cure(error)
    monkeypatch.setenv("OMI_API_KEY", "sk_2")
    assert bootstrap.with_cure(error) == str(error)
