"""Settings that belong together, read by the names and with the units of `.env.example`."""

from __future__ import annotations

import base64
import re
from typing import Any, Protocol

from environs import FileAwareEnv
from environs import validate as check

from integration_app import setting_values as values_of


class _Reader(Protocol):
    @property
    def env(self) -> FileAwareEnv: ...

    def mistake(self, name: str, what: str) -> None: ...


def redis(env: FileAwareEnv) -> dict[str, Any]:
    """Where messages are kept, and jobs; and when a write counts."""
    several = (env.str("REDIS_URLS", "") or "").strip()
    return {
        "redis_urls": (env.str("REDIS_URLS", "", validate=values_of.redis_urls) or "").strip(),
        "redis_url": env.str("REDIS_URL", "") if several else env.str("REDIS_URL", validate=values_of.redis_url),
        "rq_redis_url": env.str("RQ_REDIS_URL", None, validate=values_of.rq_redis_url),
        "redis_tls_verify": env.bool("REDIS_TLS_VERIFY", True),
        "redis_timeout_seconds": env.float(
            "REDIS_TIMEOUT_SECONDS", 2.0, validate=check.Range(min=0, min_inclusive=False)
        ),
        "ack_replicas": env.int("ACK_REPLICAS", 0, validate=check.Range(min=0, max=10)),
        "ack_wait_ms": env.int("ACK_WAIT_MS", 1000, validate=check.Range(min=1, max=60_000)),
    }


def access(reader: _Reader) -> dict[str, Any]:
    """Who may do what, and how they prove it."""
    env = reader.env
    return {
        "login_codes_per_hour": env.int("LOGIN_CODES_PER_HOUR", 3, validate=check.Range(min=1, max=1000)),
        "trusted_proxies": env.int("TRUSTED_PROXIES", _proxies(env), validate=check.Range(min=0, max=5)),
        "trusted_proxy_networks": env.list(
            "TRUSTED_PROXY_NETWORKS", [], subcast=str.strip, validate=values_of.networks
        ),
        "operator_password_hash": _password_hash(reader),
        "metrics_tokens": env.list("METRICS_TOKENS", [], subcast=str.strip, validate=values_of.each_a_token),
        "operator_proxy_header": env.str("OPERATOR_PROXY_HEADER", None, validate=values_of.not_blank),
        "operator_totp_secret": env.str("OPERATOR_TOTP_SECRET", None, validate=values_of.totp),
        "operator_api_token": env.list("OPERATOR_API_TOKEN", [], subcast=str.strip, validate=values_of.each_a_token),
        "omi_webhook_secrets": env.list(
            "OMI_WEBHOOK_SECRETS", [], subcast=str.strip, validate=values_of.each_long_enough
        ),
        "data_keys": env.list("DATA_KEYS", [], subcast=str.strip, validate=values_of.each_a_key),
        "secret_key": env.list("SECRET_KEY", subcast=str.strip, validate=values_of.some_long_enough),
    }


def alerts(env: FileAwareEnv) -> dict[str, Any]:
    """Where the operator is told what is wrong."""
    return {
        "alert_urls": env.list("ALERT_URLS", [], subcast=str.strip, validate=values_of.apprise),
        "alert_webhook_url": env.str("ALERT_WEBHOOK_URL", None, validate=values_of.url),
        "alert_webhook_secret": env.str("ALERT_WEBHOOK_SECRET", None, validate=values_of.signing_secret),
        "alert_quiet_hours": env.str("ALERT_QUIET_HOURS", None, validate=values_of.quiet_hours),
        "sentry_dsn": env.str("SENTRY_DSN", None, validate=values_of.url),
        "webhook_private_networks": env.list(
            "WEBHOOK_PRIVATE_NETWORKS", [], subcast=str.strip, validate=values_of.networks
        ),
        "heartbeat_url": env.str("HEARTBEAT_URL", None, validate=values_of.url),
    }


def about(env: FileAwareEnv) -> dict[str, Any]:
    """Whom people write to."""
    return {
        "operator_name": env.str("OPERATOR_NAME", None),
        "support_email": env.str("SUPPORT_EMAIL", None, validate=values_of.email),
    }


def limits(env: FileAwareEnv) -> dict[str, Any]:
    not_negative = check.Range(min=0)
    return {
        "sender_messages_per_minute": env.int("SENDER_MESSAGES_PER_MINUTE", 50, validate=not_negative),
        "user_messages_per_day": env.int("USER_MESSAGES_PER_DAY", 5000, validate=not_negative),
        "user_max_mb": env.int("USER_MAX_MB", 200, validate=not_negative),
        "pause_days": env.float("PAUSE_DAYS", 30.0, validate=check.Range(min=0, min_inclusive=False)),
    }


def kept(env: FileAwareEnv) -> dict[str, Any]:
    positive = check.Range(min=0, min_inclusive=False)
    return {
        "retry_horizon_hours": env.float("RETRY_HORIZON_HOURS", 24.0, validate=positive),
        "text_retention_days": env.float("TEXT_RETENTION_DAYS", 7.0, validate=positive),
        "dead_letter_retention_days": env.float("DEAD_LETTER_RETENTION_DAYS", 30.0, validate=positive),
        "left_retention_days": env.float("LEFT_RETENTION_DAYS", 7.0, validate=positive),
        "left_probe_minutes": env.float("LEFT_PROBE_MINUTES", 360.0, validate=positive),
        "quarantine_days": env.float("QUARANTINE_DAYS", 7.0, validate=positive),
    }


def transcription(env: FileAwareEnv) -> dict[str, Any]:
    return {
        "transcribe_url": env.str("TRANSCRIBE_URL", None, validate=values_of.base_url),
        "transcribe_key": env.str("TRANSCRIBE_KEY", None),
        "transcribe_model": env.str("TRANSCRIBE_MODEL", "whisper-1", validate=values_of.not_blank),
        "transcribe_notes_per_day": env.int("TRANSCRIBE_NOTES_PER_DAY", 50, validate=check.Range(min=1)),
    }


def mailbox(reader: _Reader) -> dict[str, Any]:
    """A mailbox that is read by IMAP; it is off without a host."""
    env = reader.env
    folder, done = (
        env.str("MAILBOX_FOLDER", "INBOX", validate=values_of.not_blank),
        env.str("MAILBOX_DONE_FOLDER", None),
    )
    if done and (done == folder or done.upper() == "INBOX"):
        reader.mistake("MAILBOX_DONE_FOLDER", "must be another folder than MAILBOX_FOLDER, and not INBOX")
    host = env.str("MAILBOX_HOST", None) or None
    needed: dict[str, Any] = {"validate": values_of.not_blank} if host else {"default": None}
    return {
        "mailbox_host": host,
        "mailbox_port": env.int("MAILBOX_PORT", 993, validate=check.Range(min=1, max=65535)),
        "mailbox_user": env.str("MAILBOX_USER", **needed),
        "mailbox_password": env.str("MAILBOX_PASSWORD", **needed),
        "mailbox_folder": folder,
        "mailbox_done_folder": done or None,
        "mailbox_uid": env.str("MAILBOX_UID", None) or None,
        "mailbox_authserv_ids": env.list("MAILBOX_AUTHSERV_IDS", [], subcast=lambda name: name.strip().lower()),
    }


def _password_hash(reader: _Reader) -> str | None:
    """As `omi-inbox operator-password` prints it, or bare."""
    given = reader.env.str("OPERATOR_PASSWORD_HASH", None)
    if not given:
        return None
    try:
        bare = given if "$" in given else base64.urlsafe_b64decode(given.encode()).decode()
    except (ValueError, UnicodeDecodeError):
        bare = ""
    if not re.fullmatch(r"(scrypt|pbkdf2)[:\w]*\$[^$]+\$[0-9a-f]+", bare):
        reader.mistake("OPERATOR_PASSWORD_HASH", "is no hash: omi-inbox operator-password prints the whole line")
    return bare


def _proxies(env: FileAwareEnv) -> int:
    """gunicorn speaks plain HTTP here, so an https address means one proxy in front."""
    return int(str(env.str("PUBLIC_BASE_URL", "")).startswith("https:"))
