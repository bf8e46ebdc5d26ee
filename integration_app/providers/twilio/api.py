"""Twilio's list of messages, to find what a webhook lost: an outage of ours of more than 15 seconds loses one.

https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from integration_app.errors import VendorError
from integration_app.model import Attachment, Content, Evidence, InboundMessage, Route
from integration_app.providers.common.carrier_words import carrier_word
from integration_app.providers.common.email_headers import mail_date
from integration_app.providers.twilio.messaging import channel_of

API_BASE_URL = "https://api.twilio.com"

_PAGE_SIZE = 200
_PAGES_MAX = 500
_TIMEOUT = (5.0, 30.0)


def check_number(
    account_sid: str, tokens: tuple[str, ...], api: str, url: str, phone: str | None
) -> Iterator[tuple[bool, str]]:
    """Where the number's texts go, as the console has it. Raises `VendorError`.

    https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
    """
    ask = _Api(account_sid, tokens, api)
    ask.get(f"/2010-04-01/Accounts/{account_sid}.json")
    yield True, "Twilio takes the account and its token"
    if phone is None:
        return
    rows = ask.get(f"/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers.json?PhoneNumber={quote(phone)}")
    found = next(iter(rows.get("incoming_phone_numbers") or ()), None)
    if found is None:
        yield False, "INBOX_PHONE is no number of this account → buy or choose one in the console, and set it"
        return
    calls = str(found.get("sms_url") or "").partition("#")[0]
    if calls == url:
        yield True, "a text to INBOX_PHONE is sent here"
    elif found.get("sms_application_sid") or not calls:
        yield False, f"no webhook is set, or an application gets its texts → paste {url} as A message comes in"
    else:
        yield False, f"its texts go elsewhere → paste {url} as A message comes in"
    if str(found.get("sms_method") or "POST").upper() != "POST":
        yield False, "its texts come by GET → choose HTTP POST"


class MessageList:
    """One account's messages, asked for with whichever of the tokens Twilio takes."""

    def __init__(self, account_sid: str, tokens: tuple[str, ...], base_url: str) -> None:
        self._account_sid = account_sid
        self._base_url = base_url
        self._get = _Api(account_sid, tokens, base_url).get

    def since(self, since: datetime, control_words: frozenset[str]) -> Iterator[InboundMessage]:
        """Inbound messages sent at or after `since`, newest first. Raises `VendorError`."""
        path = f"/2010-04-01/Accounts/{self._account_sid}/Messages.json?PageSize={_PAGE_SIZE}"
        path += f"&DateSent%3E={since.astimezone(UTC):%Y-%m-%d}"
        seen: set[str] = set()
        for _ in range(_PAGES_MAX):
            page = self._get(path)
            for row in page.get("messages") or ():
                sent_at = mail_date(row.get("date_sent"))
                if row.get("direction") == "inbound" and row.get("sid") not in seen and sent_at and sent_at >= since:
                    seen.add(row["sid"])
                    yield self._message(row, sent_at, control_words)
            path = str(page.get("next_page_uri") or "")
            if not path.startswith("/"):
                return
        raise VendorError(f"Twilio's list has more than {_PAGES_MAX} pages; begin later")

    def _message(self, row: dict[str, Any], sent_at: datetime, control_words: frozenset[str]) -> InboundMessage:
        channel, sender = channel_of(str(row.get("from") or ""))
        body = str(row.get("body") or "")
        return InboundMessage(
            provider="twilio",
            event_id=row["sid"],
            dedupe_keys=(f"twilio:{row['sid']}",),
            channel=channel,
            route=Route.SENDER,
            sender=sender,
            recipients=(str(row.get("to") or ""),),
            received_at=sent_at,  # so that texts of one hour do not become one conversation with those of another
            sent_at=sent_at,
            control=carrier_word(body, control_words),
            content=Content(text=body, attachments=self._media(row)),
            evidence=Evidence(platform=channel in ("whatsapp", "rcs")),
        )

    def _media(self, row: dict[str, Any]) -> tuple[Attachment, ...]:
        if not str(row.get("num_media") or "0").strip("0"):
            return ()
        found = self._get(f"/2010-04-01/Accounts/{self._account_sid}/Messages/{row['sid']}/Media.json")
        return tuple(
            Attachment(
                content_type=str(media.get("content_type") or "application/octet-stream")[:100],
                url=self._base_url + str(media.get("uri") or "").removesuffix(".json")[:400],
            )
            for media in (found.get("media_list") or ())[:10]
        )


class _Api:
    """One account's API, asked with whichever of the tokens Twilio takes."""

    def __init__(self, account_sid: str, tokens: tuple[str, ...], base_url: str) -> None:
        self._account_sid = account_sid
        self._tokens = list(tokens)
        self._base_url = base_url

    def get(self, path: str) -> dict[str, Any]:
        """Raises `VendorError`."""
        while True:
            try:
                answer = requests.get(
                    self._base_url + path,
                    auth=(self._account_sid, self._tokens[0]),
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                raise VendorError(
                    f"Twilio's API at {self._base_url} does not answer ({type(error).__name__})"
                ) from None
            if answer.status_code == 401 and len(self._tokens) > 1:
                del self._tokens[0]  # rotated: the next one may be the account's by now
                continue
            if answer.status_code != 200:
                raise VendorError(f"Twilio's API answers {answer.status_code}")
            try:
                page: dict[str, Any] = answer.json()
            except ValueError:
                raise VendorError("Twilio's API answers with something that is not JSON") from None
            return page
