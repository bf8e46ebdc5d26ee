"""Where alerts go: a webhook of the operator's own, and what apprise knows (mail, Slack, Telegram, ntfy and so on)."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from typing import Protocol

import requests

from integration_app.model import Clock
from integration_app.settings import Settings
from integration_app.standard_webhooks import sign

TIMEOUT_SECONDS = 10


class Undelivered(Exception):  # noqa: N818 - a report, as it is read where it is caught
    """Why an alert did not arrive; never with the URL, which may hold a secret."""


class Channel(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, news: str, sentence: str, key: str, since: datetime) -> None:
        """Raises `Undelivered`."""


def channels(settings: Settings, clock: Clock) -> list[Channel]:
    found: list[Channel] = []
    if settings.alert_webhook_url and settings.alert_webhook_secret:
        sender = settings.public_base_url
        found.append(Webhook(settings.alert_webhook_url, settings.alert_webhook_secret, sender, clock))
    if settings.alert_urls:
        found.append(Apprise(settings.alert_urls, settings.public_base_url))
    return found


class Webhook:
    """`POST` of `{type: "alert.new", timestamp, data: {key, text, since, sender}}`, a Standard Webhook."""

    name = "ALERT_WEBHOOK_URL"

    def __init__(self, url: str, secret: str, sender: str, clock: Clock) -> None:
        self._url = url
        self._secret = secret
        self._sender = sender
        self._clock = clock

    def send(self, news: str, sentence: str, key: str, since: datetime) -> None:
        now = self._clock()
        stamp, identifier = int(now.timestamp()), f"msg_{secrets.token_hex(12)}"
        data = {"key": key, "text": sentence, "since": since.isoformat(), "sender": self._sender}
        body = json.dumps({"type": f"alert.{news}", "timestamp": now.isoformat(), "data": data}).encode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(self._secret, identifier, stamp, body),
        }
        try:
            answer = requests.post(
                self._url, data=body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise Undelivered(type(error).__name__) from None
        if not 200 <= answer.status_code < 300:
            raise Undelivered(f"it answers {answer.status_code}")


class Apprise:
    name = "ALERT_URLS"

    def __init__(self, urls: tuple[str, ...], sender: str) -> None:
        self._urls = urls
        self._sender = sender

    def send(self, news: str, sentence: str, key: str, since: datetime) -> None:
        from apprise import Apprise as Library  # an extra: omi-inbox[alerts]
        from apprise import NotifyType

        types = {"new": NotifyType.FAILURE, "reminder": NotifyType.WARNING, "cleared": NotifyType.SUCCESS}
        library = Library()
        try:
            unknown = sum(not library.add(url) for url in self._urls)
            took = library.notify(sentence, f"Omi Inbox: {key}", types.get(news, NotifyType.INFO))
        except Exception as error:  # noqa: BLE001 - one of a hundred plug-ins
            raise Undelivered(type(error).__name__) from None
        if not took or unknown:
            what = f"{unknown} of the URLs are none that apprise knows" if unknown else "one of the services refused"
            raise Undelivered(what)
