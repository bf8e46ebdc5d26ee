"""Telegram's Bot API: `POST /webhooks/telegram` with the secret of the webhook; files are fetched by their ids.

https://core.telegram.org/bots/api#setwebhook
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from environs import Env, ValidationError

from integration_app.errors import BadSignature, VendorError
from integration_app.model import Attachment, InboundMessage
from integration_app.providers.base import Outcome, Provider, ProviderSpec, Reply, Told, WebhookRequest
from integration_app.providers.common.api import call
from integration_app.providers.common.fetch import fetch, fetch_json
from integration_app.providers.common.json_body import at, json_object, object_of, text_at
from integration_app.providers.common.proof import is_one_of
from integration_app.providers.common.statuses import SENT_AGAIN
from integration_app.providers.telegram.sender import TelegramSender
from integration_app.providers.telegram.stand_in import stand_in
from integration_app.providers.telegram.update import FILE, command_in, group_in, meaning, message_in

API_BASE_URL = "https://api.telegram.org"

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
_TOKEN = re.compile(r"\d{3,20}:[A-Za-z0-9_-]{20,100}")
_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_WANTED = ["message", "edited_message", "my_chat_member"]
_COMMANDS = [
    {"command": "help", "description": "What can be sent here"},
    {"command": "unlink", "description": "End the link to Omi"},
]
_HOW = (
    "This chat is not linked to an Omi account. Open your Omi Inbox page in the Omi app, make a link code there, and "
    "open its Telegram link, or send the code here."
)
_SAID = {
    "LINK": "Linked: what you send here goes to the Omi account on whose page this code was made. /unlink ends that.",
    "UNLINK": "This chat is not linked any more.",
}
_COMMAND_SAID = {
    "start": "What you send here goes to your Omi, once this chat is linked: make a link code on your Omi Inbox page.",
    "help": "What you send or forward here goes to your Omi: texts, photos, files, voice, places. /unlink ends that.",
}


class Telegram(Provider):
    name = "telegram"
    title = "Telegram bot"
    max_body_bytes = 1_000_000
    proven_by_headers = True
    gives_receipts = True
    messenger = "Telegram"
    statuses = SENT_AGAIN

    def __init__(self, token: str, username: str, webhook_secrets: tuple[str, ...], api: str = API_BASE_URL) -> None:
        self._token = token
        self._username = username
        self._secrets = webhook_secrets
        self._api = api
        self._bot = token.partition(":")[0]

    def verify(self, request: WebhookRequest) -> None:
        if not is_one_of(request.headers.get("x-telegram-bot-api-secret-token", ""), self._secrets):
            raise BadSignature("X-Telegram-Bot-Api-Secret-Token is missing or wrong")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        """Whatever is no message of a private chat; a group is left. A question about the bot is answered, not kept."""
        update = json_object(request)
        if (said := message_in(update)) is not None or "update_id" not in update:
            command = command_in(said)
            answer = {"method": "sendMessage", "text": _COMMAND_SAID.get(command), "chat_id": at(said, "chat", "id")}
            return _answer(answer) if command in _COMMAND_SAID else None
        group = group_in(update)
        gone = text_at(update, "my_chat_member", "new_chat_member", "status") in ("left", "kicked")
        return _answer({"method": "leaveChat", "chat_id": group}) if group is not None and not gone else _answer({})

    def parse(self, request: WebhookRequest) -> InboundMessage:
        return meaning(json_object(request), self._bot, request.received_at)

    def tell_sender(self, request: WebhookRequest, told: Told) -> Reply | None:
        """A call of the Bot API in the answer: a sentence where the sender has to do something, or a reaction."""
        said = message_in(object_of(request.body))
        chat = {"chat_id": at(said, "chat", "id")}
        if told.outcome is Outcome.UNKNOWN_RECIPIENT:
            return _answer({"method": "sendMessage", "text": _HOW} | chat)
        if told.outcome is Outcome.RECORDED and told.control in _SAID:
            return _answer({"method": "sendMessage", "text": _SAID[told.control]} | chat)
        if told.wants_receipt:
            thumb = {"message_id": at(said, "message_id"), "reaction": [{"type": "emoji", "emoji": "👍"}]}
            return _answer({"method": "setMessageReaction"} | chat | thumb)
        return None

    def fetch(self, attachment: Attachment) -> bytes:
        """A file has an address for an hour at a time, which holds the bot's token: it is asked for and never kept."""
        assert attachment.url is not None  # noqa: S101 - only those are asked for
        query = f"getFile?file_id={_quoted(attachment.url.removeprefix(FILE))}"
        found = fetch_json(f"{self._api}/bot{self._token}/{query}", base_url=self._api)
        path = text_at(found, "result", "file_path")
        if not re.fullmatch(r"\w[\w./-]{0,300}", path) or ".." in path or "//" in path:
            raise VendorError("Telegram does not say where the file is")
        return fetch(f"{self._api}/file/bot{self._token}/{path}", base_url=self._api)

    def link_url(self, code: str) -> str | None:
        """https://core.telegram.org/bots/features#deep-linking"""
        return f"https://t.me/{self._username}?start={code}"

    def set_webhook(self, url: str) -> Iterator[str]:
        username = text_at(self._ask("getMe"), "username")
        if username.lower() != self._username.lower():
            raise VendorError(f"the token is that of @{username} → set TELEGRAM_BOT_USERNAME={username}")
        how = {"url": url, "secret_token": self._secrets[0], "allowed_updates": _WANTED}
        self._ask("setWebhook", how)
        yield f"@{username} sends to {url}"
        self._ask("setMyCommands", {"commands": _COMMANDS})
        yield "its menu has /help and /unlink"

    def console(self, base_url: str, phone: str | None) -> Iterator[tuple[bool, str]]:
        hook = self._ask("getWebhookInfo")
        yield True, "Telegram takes the bot's token"
        if text_at(hook, "url") != f"{base_url}/webhooks/{self.name}":
            yield False, f"the bot sends elsewhere, or nowhere → omi-inbox {self.name} set-webhook"
        elif why := text_at(hook, "last_error_message"):
            yield False, f"Telegram could not deliver lately: {why[:200]}; {text_at(hook, 'pending_update_count')} wait"
        else:
            yield True, "what is written to the bot is sent here"

    def _ask(self, method: str, data: Mapping[str, Any] | None = None) -> Any:
        said = call("POST", f"{self._api}/bot{self._token}/{method}", vendor="Telegram", data=data)
        return at(said, "result")


def _answer(said: Mapping[str, Any]) -> Reply:
    return Reply(200, json.dumps(said).encode(), "application/json")


def _quoted(value: str) -> str:
    if not re.fullmatch(r"[\w=-]{1,300}", value):
        raise VendorError("not an id of Telegram's")
    return value


def _from_env(env: Env) -> Provider | None:
    token = env.str("TELEGRAM_BOT_TOKEN", None)
    given = env.list("TELEGRAM_WEBHOOK_SECRETS", None, subcast=str.strip, validate=_are_secrets)
    api = env.str("TELEGRAM_API_BASE_URL", API_BASE_URL)
    if not token and not given:
        return None
    token = env.str("TELEGRAM_BOT_TOKEN", validate=_fits(_TOKEN, "must be a bot's token, as @BotFather gives it"))
    name = env.str("TELEGRAM_BOT_USERNAME", validate=_fits(_USERNAME, "must be the bot's name, without @"))
    given = env.list("TELEGRAM_WEBHOOK_SECRETS", subcast=str.strip, validate=_are_secrets)
    return Telegram(token, name, tuple(given), api.rstrip("/")) if token and name and given else None


def _fits(pattern: re.Pattern[str], why: str) -> Any:
    def check(value: str) -> None:
        if not pattern.fullmatch(value):
            raise ValidationError(why)

    return check


def _are_secrets(values: list[str]) -> None:
    if not values or not all(map(_SECRET.fullmatch, values)):
        raise ValidationError("each must be 16 to 256 letters, digits, _ and -: openssl rand -hex 24")


def _made() -> dict[str, str]:
    return {"TELEGRAM_WEBHOOK_SECRETS": secrets.token_hex(24)}


def _local_env() -> dict[str, str]:
    token = f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)}"
    return {"TELEGRAM_BOT_TOKEN": token, "TELEGRAM_BOT_USERNAME": "omi_inbox_local_bot"} | _made()


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"token": env["TELEGRAM_BOT_TOKEN"], "secret": env["TELEGRAM_WEBHOOK_SECRETS"].split(",")[0]}


SPEC = ProviderSpec(
    name="telegram",
    provider=Telegram,
    channels=("telegram",),
    settings=("TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_USERNAME", "TELEGRAM_WEBHOOK_SECRETS", "TELEGRAM_API_BASE_URL"),
    from_env=_from_env,
    sender=TelegramSender,
    local_env=_local_env,
    credentials=_credentials,
    asked={
        "TELEGRAM_BOT_TOKEN": "Bot token: write /newbot to @BotFather, he shows it",
        "TELEGRAM_BOT_USERNAME": "Bot's username, without @",
    },
    made=_made,
    account="telegram:15550001111",
    stand_in=stand_in,
    local_api_setting="TELEGRAM_API_BASE_URL",
)
