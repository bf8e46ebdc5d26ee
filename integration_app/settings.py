"""The environment, read once and checked as a whole.

Every mistake is reported at once, by the name of the setting. What a provider needs is read by the provider's own
folder, through the same reader, so its mistakes stand in the same report.
Any name may be given as NAME_FILE instead: the value is then the content of that file (for secrets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from environs import EnvValidationError, FileAwareEnv
from environs import validate as check

from integration_app import setting_groups as groups
from integration_app import setting_values as values_of
from integration_app.errors import SettingsError

LOCAL_OPERATOR_PASSWORD = "omi-inbox-local"  # noqa: S105 - of a stack on one's own machine, shown where it is needed
_LISTS = (
    "trusted_proxy_networks", "metrics_tokens", "alert_urls", "omi_webhook_secrets",
    "data_keys", "secret_key", "operator_api_token", "mailbox_authserv_ids",
    "webhook_private_networks",
)  # fmt: skip
LOG_FORMATS = ("json", "text")
LOG_LEVELS = ("debug", "info", "warning", "error")


def _secret() -> Any:
    return field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names and units as in `.env.example`; secrets never show in `repr`."""

    omi_base_url: str
    omi_app_id: str
    omi_api_key: str = _secret()
    omi_developer_key: str | None = _secret()
    omi_connect_timeout_seconds: float
    omi_read_timeout_seconds: float
    omi_settle_seconds: float
    omi_max_requests_per_minute: int
    redis_url: str = _secret()
    rq_redis_url: str | None = _secret()
    redis_urls: tuple[str, ...] = _secret()
    redis_tls_verify: bool
    redis_timeout_seconds: float
    ack_replicas: int
    ack_wait_ms: int
    public_base_url: str
    inbox_domain: str | None
    inbox_phone: str | None
    operator_name: str | None
    support_email: str | None
    trusted_proxies: int
    trusted_proxy_networks: tuple[str, ...]
    login_codes_per_hour: int
    operator_password_hash: str | None = _secret()
    operator_totp_secret: str | None = _secret()
    operator_proxy_header: str | None
    metrics_tokens: tuple[str, ...] = _secret()
    operator_api_token: tuple[str, ...] = _secret()
    alert_urls: tuple[str, ...] = _secret()
    alert_webhook_url: str | None = _secret()
    alert_webhook_secret: str | None = _secret()
    alert_quiet_hours: str | None
    sentry_dsn: str | None = _secret()
    heartbeat_url: str | None = _secret()
    omi_webhook_secrets: tuple[str, ...] = _secret()
    secret_key: tuple[str, ...] = _secret()
    data_keys: tuple[str, ...] = _secret()
    mail_text_source: str
    sender_messages_per_minute: int
    user_messages_per_day: int
    user_max_mb: int
    pause_days: float
    sms_quiet_seconds: float
    sms_max_wait_seconds: float
    memory_quiet_seconds: float
    mail_quiet_seconds: float
    mail_max_wait_seconds: float
    job_timeout_seconds: float
    lease_seconds: float
    retry_horizon_hours: float
    text_retention_days: float
    dead_letter_retention_days: float
    left_retention_days: float
    left_probe_minutes: float
    quarantine_days: float
    transcribe_url: str | None
    transcribe_key: str | None = _secret()
    transcribe_model: str
    transcribe_notes_per_day: int
    webhook_private_networks: tuple[str, ...]
    mailbox_host: str | None
    mailbox_port: int
    mailbox_user: str | None
    mailbox_password: str | None = _secret()
    mailbox_folder: str
    mailbox_done_folder: str | None
    mailbox_uid: str | None
    mailbox_authserv_ids: tuple[str, ...]
    log_format: str
    log_level: str
    port: int

    @property
    def has_sentinels(self) -> bool:
        """The primary may change: what only the one of before has is lost then."""
        return any("+" in urlsplit(url).scheme for url in self.redis_urls)

    def inbox_address(self, token: str) -> str | None:
        """Where this user's mail goes; None where no mail is taken in. Without a domain of our own it goes to the
        mailbox, where the token stands behind a plus sign.
        """
        if self.inbox_domain:
            return f"{token}@{self.inbox_domain}"
        local, at, domain = (self.mailbox_user or "").rpartition("@")
        return f"{local}+{token}@{domain}" if at and self.mailbox_host else None

    @property
    def request_timeout_seconds(self) -> float:
        """The longest that one call to Omi may take."""
        return self.omi_connect_timeout_seconds + self.omi_read_timeout_seconds


class _Env(FileAwareEnv):
    """Reports a file that cannot be read like any other mistake, by the name of the setting."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            return super()._get_value(env_key, default)
        except ValueError as error:
            self._errors[f"{env_key}_FILE"].append(str(error))
            return default


class Reader:
    """An environs reader that collects mistakes instead of stopping at the first one."""

    def __init__(self) -> None:
        self.env = _Env(eager=False, strip_whitespace=True)
        self.mistakes: dict[str, list[str]] = {}

    def mistake(self, name: str, what: str) -> None:
        self.mistakes.setdefault(name, []).append(what)

    def close(self) -> None:
        """Raise every mistake at once, those of the providers too."""
        try:
            self.env.seal()
        except EnvValidationError as error:
            messages = error.error_messages if isinstance(error.error_messages, Mapping) else {}
            for name, what in messages.items():
                self.mistakes.setdefault(name, [])[:0] = [_plain(sentence) for sentence in what]
        if self.mistakes:
            raise SettingsError(self.mistakes)


def read(reader: Reader) -> Callable[[], Settings]:
    """Read every setting; call the result after `reader.close()`, when all of them are known to be good."""
    env = reader.env
    not_negative, positive = check.Range(min=0), check.Range(min=0, min_inclusive=False)
    personal = env.str("OMI_DEVELOPER_KEY", None, validate=values_of.developer_key)
    if personal and (env.str("OMI_APP_ID", None) or env.str("OMI_API_KEY", None)):
        reader.mistake(
            "OMI_DEVELOPER_KEY", "set either this (for yourself), or OMI_APP_ID and OMI_API_KEY (for an app)"
        )
    values: dict[str, Any] = {
        "omi_base_url": env.str("OMI_BASE_URL", "https://api.omi.me", validate=values_of.base_url),
        "omi_app_id": env.str("OMI_APP_ID", "") if personal else env.str("OMI_APP_ID", validate=values_of.not_blank),
        "omi_api_key": env.str("OMI_API_KEY", "") if personal else env.str("OMI_API_KEY", validate=values_of.api_key),
        "omi_developer_key": personal,
        "omi_connect_timeout_seconds": env.float("OMI_CONNECT_TIMEOUT_SECONDS", 5.0, validate=positive),
        "omi_read_timeout_seconds": env.float("OMI_READ_TIMEOUT_SECONDS", 130.0, validate=positive),
        "omi_settle_seconds": env.float("OMI_SETTLE_SECONDS", 150.0, validate=not_negative),
        "omi_max_requests_per_minute": env.int("OMI_MAX_REQUESTS_PER_MINUTE", 100, validate=check.Range(1, 1_000_000)),
        "public_base_url": env.str("PUBLIC_BASE_URL", validate=values_of.base_url),
        "inbox_domain": env.str("INBOX_DOMAIN", None, validate=values_of.domain),
        "inbox_phone": env.str("INBOX_PHONE", None, validate=values_of.phone),
        "mail_text_source": env.str("MAIL_TEXT_SOURCE", "other_text", validate=check.OneOf(("other_text", "message"))),
        "sms_quiet_seconds": env.float("SMS_QUIET_SECONDS", 90.0, validate=not_negative),
        "sms_max_wait_seconds": env.float("SMS_MAX_WAIT_SECONDS", 300.0, validate=not_negative),
        "memory_quiet_seconds": env.float("MEMORY_QUIET_SECONDS", 90.0, validate=not_negative),
        "mail_quiet_seconds": env.float("MAIL_QUIET_SECONDS", 90.0, validate=not_negative),
        "mail_max_wait_seconds": env.float("MAIL_MAX_WAIT_SECONDS", 600.0, validate=not_negative),
        "job_timeout_seconds": env.float("JOB_TIMEOUT_SECONDS", 160.0, validate=positive),
        "lease_seconds": env.float("LEASE_SECONDS", 180.0, validate=positive),
        "log_format": env.str("LOG_FORMAT", "json", validate=check.OneOf(LOG_FORMATS)),
        "log_level": env.str("LOG_LEVEL", "info", validate=check.OneOf(LOG_LEVELS)),
        "port": env.int("PORT", 8000, validate=check.Range(min=1, max=65535)),
    }
    values |= groups.redis(env) | groups.access(reader) | groups.about(env) | groups.alerts(env) | groups.limits(env)
    values |= groups.kept(env) | groups.transcription(env) | groups.mailbox(reader)
    _cross_check(values, reader)

    def build() -> Settings:
        for name in ("omi_base_url", "public_base_url"):
            values[name] = values[name].rstrip("/")
        for name in _LISTS:
            values[name] = tuple(values[name])
        values["rq_redis_url"] = values["rq_redis_url"] or None
        values["redis_urls"] = tuple(values["redis_urls"].split()) or (values["redis_url"],)
        if not values["redis_tls_verify"]:
            values["redis_urls"] = tuple(map(_unverified, values["redis_urls"]))
            values["rq_redis_url"] = values["rq_redis_url"] and _unverified(values["rq_redis_url"])
        values["redis_url"] = values["redis_urls"][0]
        values["inbox_phone"] = values["inbox_phone"] or None
        values["inbox_domain"] = (values["inbox_domain"] or "").lower() or None
        return Settings(**values)

    return build


def _unverified(url: str) -> str:
    if not url.startswith("rediss"):
        return url
    return f"{url}{'&' if '?' in url else '?'}ssl_cert_reqs=none"


def names() -> list[str]:
    """Every setting of the application itself, as it is spelled in the environment."""
    return [item.name.upper() for item in fields(Settings)]


def _cross_check(values: dict[str, Any], reader: Reader) -> None:
    """Settings that are fine alone and wrong together. Overlapping time-outs are how deliveries get doubled."""

    def number(name: str) -> float | None:
        value = values[name]
        return float(value) if isinstance(value, int | float) else None

    request = (number("omi_connect_timeout_seconds"), number("omi_read_timeout_seconds"))
    job, lease = number("job_timeout_seconds"), number("lease_seconds")
    if None not in request and job is not None and sum(part or 0.0 for part in request) >= job:
        reader.mistake(
            "JOB_TIMEOUT_SECONDS",
            "must be more than OMI_CONNECT_TIMEOUT_SECONDS + OMI_READ_TIMEOUT_SECONDS, "
            "or a job would be given up while its call is still running",
        )
    if job is not None and lease is not None and job >= lease:
        reader.mistake(
            "LEASE_SECONDS",
            "must be more than JOB_TIMEOUT_SECONDS, or a second worker would take over a running call",
        )
    urls = values["redis_urls"].split() or [values["redis_url"] or ""]
    if values["redis_urls"] and values["redis_url"] and values["redis_url"] != urls[0]:
        reader.mistake("REDIS_URLS", "must begin with REDIS_URL, or stand alone: the first is where users are by now")
    if urls[0].startswith(values_of.CLUSTERS) and not values["rq_redis_url"]:
        reader.mistake("RQ_REDIS_URL", "must be set with a cluster, which RQ cannot use: a small Redis is enough")
    budget, parts = number("omi_max_requests_per_minute"), values_of.parts(urls)
    if budget is not None and parts > budget:
        reader.mistake(
            "OMI_MAX_REQUESTS_PER_MINUTE", f"must be at least {parts}: it is split among the {parts} of REDIS_URLS"
        )
    redis, ack = number("redis_timeout_seconds"), number("ack_wait_ms")
    if redis is not None and ack is not None and ack >= redis * 1000:
        reader.mistake("ACK_WAIT_MS", "must be less than REDIS_TIMEOUT_SECONDS, or the answer would come too late")
    if values["alert_webhook_url"] and not values["alert_webhook_secret"]:
        reader.mistake("ALERT_WEBHOOK_SECRET", "must be set with ALERT_WEBHOOK_URL: whsec_ and 24 bytes in base64")
    for what in ("sms", "mail"):
        quiet, wait = number(f"{what}_quiet_seconds"), number(f"{what}_max_wait_seconds")
        if quiet is not None and wait is not None and quiet > wait:
            reader.mistake(f"{what.upper()}_MAX_WAIT_SECONDS", f"must not be less than {what.upper()}_QUIET_SECONDS")


def _plain(sentence: str | int) -> str:
    if isinstance(sentence, int):  # of a list only the place of what cannot be read
        return f"its entry {sentence + 1} cannot be read"
    return "is not set" if sentence == "Environment variable not set." else sentence.rstrip(".")
