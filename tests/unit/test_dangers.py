"""Settings that a deployment can start with, and should not: each is named, with what to do."""

from __future__ import annotations

import pytest
from werkzeug.security import generate_password_hash

from integration_app import bootstrap
from integration_app.operations import dangers
from integration_app.providers import registry
from integration_app.settings import LOCAL_OPERATOR_PASSWORD, names

GOOD = {
    "PUBLIC_BASE_URL": "https://inbox.omi-users.net",
    "INBOX_DOMAIN": "in.omi-users.net",
    "OMI_BASE_URL": "https://api.omi.me",
    "REDIS_URL": "rediss://:3f1f5a9c2b7d4e60@redis.internal:6379/0",
    "SECRET_KEY": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
    "TRUSTED_PROXIES": "1",
    "OPERATOR_PASSWORD_HASH": "",
    "OPERATOR_API_TOKEN": "1c383cd30b7c298ab50293adfecb7b18",
    "LOG_LEVEL": "info",
    "LOGIN_CODES_PER_HOUR": "3",
    "TWILIO_API_BASE_URL": "https://api.twilio.com",
}
KNOWN = [*names(), *(name for spec in registry.specs().values() for name in spec.settings)]
SECRETS = ["HELLO_TOKENS", "TWILIO_AUTH_TOKENS", "POSTMARK_WEBHOOK_USERS", "MAILGUN_SIGNING_KEYS"]


def hashed(password: str) -> str:
    return generate_password_hash(password, method="pbkdf2:sha256:1000")


def found(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, **changes: str) -> dict[str, dangers.Danger]:
    env = settings | GOOD | changes
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    read, _ = bootstrap.read_settings()
    return {danger.name: danger for danger in dangers.of(read, env, KNOWN, SECRETS)}


@pytest.fixture
def bare(settings: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if name not in SECRETS}


def test_a_good_deployment_is_told_nothing(bare: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(bare, monkeypatch) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_BASE_URL", "http://inbox.omi-users.net"),
        ("PUBLIC_BASE_URL", "https://inbox.example.com"),
        ("INBOX_DOMAIN", "in.example.com"),
        ("SECRET_KEY", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("SECRET_KEY", "changemechangemechangemechangeme"),
        ("OMI_BASE_URL", "http://omi.internal"),
        ("TRUSTED_PROXIES", "0"),
        pytest.param("OPERATOR_PASSWORD_HASH", hashed(LOCAL_OPERATOR_PASSWORD), id="the password of make dev"),
        pytest.param("OPERATOR_PASSWORD_HASH", hashed("long and unknown"), id="few rounds"),
        ("OPERATOR_API_TOKEN", "a" * 24),
        ("HELLO_TOKENS", "ababababababababab"),
        ("HELLO_TOKENS", "<your token goes here>"),
        ("POSTMARK_WEBHOOK_USERS", "postmark:correct-horse"),
        ("LOG_LEVEL", "debug"),
        ("LOGIN_CODES_PER_HOUR", "1000"),
        ("TWILIO_API_BASE_URL", "http://twilio.internal"),
        ("REDIS_URL", "rediss://redis.internal:6379/0"),
        ("REDIS_URL", "redis://:3f1f5a9c2b7d4e60@redis.internal:6379/0"),
        ("OMI_APP_IDD", "x"),
        ("TWILIO_AUTH_TOKEN", "x"),
        ("SMS_QUIET_SECOND", "3"),
    ],
)
def test_a_dangerous_setting_is_named_with_what_to_do(
    bare: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    danger = found(bare, monkeypatch, **{name: value})[name]
    assert " → " in danger.what
    assert len(value) < 8 or value not in danger.what, "never a secret"


@pytest.mark.parametrize(
    "host", ["inbox.mastodon.social", "inbox.myexample.com", "inbox.yourself.net", "examples.org.uk"]
)
def test_a_name_that_only_looks_like_a_placeholder_is_none(
    bare: dict[str, str], monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    assert found(bare, monkeypatch, PUBLIC_BASE_URL=f"https://{host}", INBOX_DOMAIN=host) == {}


def test_a_stack_on_ones_own_machine_is_fine(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"PUBLIC_BASE_URL": "http://127.0.0.1:8000", "INBOX_DOMAIN": "in.example.com", "TRUSTED_PROXIES": "0"}
    here |= {"REDIS_URL": "redis://127.0.0.1:6379/0", "OMI_BASE_URL": "http://127.0.0.1:8100"}
    here["OPERATOR_PASSWORD_HASH"] = hashed(LOCAL_OPERATOR_PASSWORD)
    assert not [danger for danger in found(settings, monkeypatch, **here).values() if not danger.warns]
