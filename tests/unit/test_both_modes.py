"""Raw or parsed, the same text: every mail of the corpus through both modes of each mail door.

The vendor's part is done by the standard library's own mail objects, which ours does not use.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from integration_app.model import InboundMessage
from integration_app.pipeline.delivery.for_user import for_user
from integration_app.pipeline.delivery.prepare import prepare
from integration_app.providers.base import Provider, WebhookRequest
from integration_app.providers.mailgun.provider import Mailgun
from integration_app.providers.postmark.provider import Postmark
from integration_app.providers.sendgrid.provider import SendGrid
from tests.unit.factories import NOW
from tests.unit.test_corpus import CORPUS, MAILS

TO = "t" * 20 + "@in.example.com"
BOUNDARY = "vendor-boundary"
ODD = "\ufffd" + "".join(map(chr, range(0x80, 0xA0)))


@dataclass
class Parts:
    """A mail as a vendor takes it apart."""

    mail: EmailMessage
    text: str
    html: str
    files: list[tuple[str, str, bytes]]  # type, name, data


class OwnWays(Exception):  # noqa: N818
    """A vendor could take this mail apart in several ways: nothing is promised for it."""


def taken_apart(raw: bytes) -> Parts:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    texts: list[str] = []
    htmls: list[str] = []
    files: list[tuple[str, str, bytes]] = []
    inside: set[int] = set()
    for part in mail.walk():
        if id(part) in inside:
            continue
        kind = part.get_content_type()
        if kind == "message/rfc822":
            inner = part.get_payload(0) if part.is_multipart() else None
            if not isinstance(inner, EmailMessage) or not inner.keys():
                raise OwnWays("an attached mail in base64")
            inside |= {id(row) for row in part.walk()}
            files.append((kind, part.get_filename() or "mail.eml", inner.as_bytes(policy=default)))
        elif part.is_multipart():
            continue
        elif (
            kind in ("text/plain", "text/html")
            and part.get_content_disposition() != "attachment"
            and not part.get_filename()
        ):
            (texts if kind == "text/plain" else htmls).append(part.get_content())
        else:
            if part.get("content-id"):
                continue  # shown inside the text
            data = part.get_payload(decode=True)
            charset = part.get_content_charset()
            named = f"{kind}; charset={charset}" if charset else kind
            files.append((named, part.get_filename() or "", data if isinstance(data, bytes) else b""))
    if any(sign in text for text in (*texts, *htmls) for sign in ODD):
        raise OwnWays("a charset that vendors read each in their own way")
    if len(texts) > 1 or len(htmls) > 1:
        raise OwnWays("several bodies")
    return Parts(mail, "".join(texts), "".join(htmls), files)


def rows(mail: EmailMessage) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in mail.items()]


def request(body: bytes, kind: str) -> WebhookRequest:
    return WebhookRequest("POST", "https://inbox.example.com/w", "", {"content-type": kind}, body, NOW)


def form(fields: dict[str, str], files: list[tuple[str, str, bytes]], name: Callable[[int], str]) -> WebhookRequest:
    body = b""
    for field, value in fields.items():
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n'.encode()
        body += value.encode("utf-8", "surrogateescape") + b"\r\n"
    for number, (kind, filename, data) in enumerate(files):
        body += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name(number)}"; filename="{filename}"\r\n'.encode()
        )
        body += f"Content-Type: {kind}\r\n\r\n".encode() + data + b"\r\n"
    return request(body + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}")


def postmark(parts: Parts) -> WebhookRequest:
    mail = parts.mail
    body = {
        "MessageID": "id",
        "From": str(mail["from"]),
        "OriginalRecipient": TO,
        "Subject": str(mail["subject"] or ""),
        "Date": str(mail["date"] or ""),
        "TextBody": parts.text,
        "HtmlBody": parts.html,
        "Headers": [{"Name": name, "Value": value} for name, value in rows(mail)],
        "Attachments": [
            {"Name": name, "ContentType": kind, "ContentLength": len(data), "Content": base64.b64encode(data).decode()}
            for kind, name, data in parts.files
        ],
    }
    return request(json.dumps(body).encode(), "application/json")


def mailgun(parts: Parts) -> WebhookRequest:
    mail = parts.mail
    fields = {
        "recipient": TO,
        "sender": "s@example.com",
        "from": str(mail["from"]),
        "subject": str(mail["subject"] or ""),
        "body-plain": parts.text,
        "body-html": parts.html,
        "message-headers": json.dumps(rows(mail)),
    }
    return form(fields, parts.files, lambda number: f"attachment-{number + 1}")


def sendgrid(parts: Parts) -> WebhookRequest:
    mail = parts.mail
    fields = {
        "headers": "\n".join(f"{name}: {value}" for name, value in rows(mail)),
        "envelope": json.dumps({"to": [TO], "from": "s@example.com"}),
        "from": str(mail["from"]),
        "subject": str(mail["subject"] or ""),
        "text": parts.text,
        "html": parts.html,
    }
    return form(fields, parts.files, lambda number: f"attachment{number + 1}")


def raw_postmark(raw: bytes) -> WebhookRequest:
    mail = message_from_bytes(raw, policy=SMTP)
    body = {"MessageID": "id", "From": str(mail["from"]), "OriginalRecipient": TO, "Date": str(mail["date"] or "")}
    body |= {"Subject": str(mail["subject"] or ""), "RawEmail": raw.decode("utf-8", "replace")}
    return request(json.dumps(body).encode(), "application/json")


def raw_mailgun(raw: bytes) -> WebhookRequest:
    mail = message_from_bytes(raw, policy=SMTP)
    fields = {"recipient": TO, "sender": "s@example.com", "from": str(mail["from"])}
    return form(fields | {"body-mime": raw.decode("utf-8", "surrogateescape")}, [], str)


def raw_sendgrid(raw: bytes) -> WebhookRequest:
    fields = {"envelope": json.dumps({"to": [TO], "from": "s@example.com"})}
    return form(fields | {"email": raw.decode("utf-8", "surrogateescape")}, [], str)


KEY = generate_private_key(SECP256R1()).public_key()
DOORS: dict[str, tuple[Provider, Callable[[Parts], WebhookRequest], Callable[[bytes], WebhookRequest]]] = {
    "postmark": (Postmark(("u:p",)), postmark, raw_postmark),
    "mailgun": (Mailgun(("k",)), mailgun, raw_mailgun),
    "sendgrid": (SendGrid([KEY], ()), sendgrid, raw_sendgrid),
}
TESTED: dict[str, int] = dict.fromkeys(DOORS, 0)


def told(message: InboundMessage) -> str:
    prepared = for_user(prepare(message), message, None)
    return f"{prepared.head}\n\n{prepared.text}".strip()


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("door", DOORS)
def test_raw_and_parsed_give_the_same_text(door: str, name: str) -> None:
    provider, parsed, whole = DOORS[door]
    raw = CORPUS.joinpath(f"{name}.eml").read_bytes()
    try:
        parts = taken_apart(raw)
        raw.decode()
    except OwnWays as why:
        pytest.skip(f"{name}: {why}")
    except (UnicodeDecodeError, LookupError, AttributeError, KeyError, ValueError) as error:
        pytest.skip(f"{name}: no vendor could read it ({type(error).__name__})")
    assert told(provider.parse(parsed(parts))) == told(provider.parse(whole(raw)))
    TESTED[door] += 1
