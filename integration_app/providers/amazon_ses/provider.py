"""Amazon SES receiving through SNS: `Notification`s that carry a mail, and the handshake of a subscription.

https://docs.aws.amazon.com/ses/latest/dg/receiving-email-notifications-contents.html
SNS takes any 4xx for final, so there is none.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import requests
from environs import Env, ValidationError

from integration_app.errors import BadSignature, MalformedPayload, VendorError
from integration_app.model import Content, Evidence, InboundMessage, Route
from integration_app.providers.amazon_ses.local import local_env
from integration_app.providers.amazon_ses.sender import SesSender
from integration_app.providers.amazon_ses.signature import Certificates, check, is_whole, key_of
from integration_app.providers.base import (
    Outcome,
    Provider,
    ProviderSpec,
    Reply,
    WebhookRequest,
    check_signed_time,
)
from integration_app.providers.common.email_headers import Headers, author, domain_of, head_of, kept, mail_date, top
from integration_app.text.charsets import decode_words

_ARN = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]{4,30}):\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_RECIPIENTS_MAX = 50
_TOO_LARGE = "[This mail was too large to carry: only its sender, subject and date came along]"


class Ses(Provider):
    name = "amazon-ses"
    title = "Amazon SES through SNS"
    max_body_bytes = 2_000_000  # SNS itself carries 256 KB
    statuses = {  # noqa: RUF012 - typed in the base class
        Outcome.STORED: 200,
        Outcome.DUPLICATE: 200,
        Outcome.RECORDED: 200,
        Outcome.BAD_SIGNATURE: 503,  # tried again for up to an hour; any 4xx would lose the mail
        Outcome.NOT_CONFIGURED: 503,
        Outcome.MALFORMED: 200,
        Outcome.UNKNOWN_RECIPIENT: 200,
        Outcome.TOO_LARGE: 200,
        Outcome.UNAVAILABLE: 503,
    }

    def __init__(self, topics: tuple[str, ...], certificates: Certificates, endpoint: str | None = None) -> None:
        self._topics = topics
        self._certificates = certificates
        self._endpoint = endpoint

    def verify(self, request: WebhookRequest) -> None:
        if request.headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            raise BadSignature("raw message delivery has no signature: switch it off")
        try:
            event = _event(request)
        except MalformedPayload as error:
            raise BadSignature("the body cannot be read, so nothing proves where it comes from") from error
        if not is_whole(event):
            raise BadSignature("not of a known type, or a signed field is missing")
        topic = str(event.get("TopicArn", ""))
        found = _ARN.fullmatch(topic)
        if topic not in self._topics or not found:
            raise BadSignature("TopicArn is not one of SES_SNS_TOPIC_ARNS")
        check(event, self._certificates.key(str(event.get("SigningCertURL", "")), found.group(1)))
        check_signed_time(_moment(str(event.get("Timestamp", ""))), request.received_at)
        said = request.headers.get("x-amz-sns-message-type")
        if said and said != event.get("Type"):
            raise BadSignature("the header and the body disagree on the type")

    def acknowledge(self, request: WebhookRequest) -> Reply | None:
        event = _event(request)
        kind = event.get("Type")
        if kind == "SubscriptionConfirmation":
            self._confirm(str(event["TopicArn"]), str(event.get("Token", "")))
            return Reply(200)
        # SES says hello to a new topic in plain words
        is_hello = not str(event.get("Message", "")).lstrip().startswith("{")
        return Reply(200) if kind == "UnsubscribeConfirmation" or is_hello else None

    def _confirm(self, topic: str, token: str) -> None:
        """Called by the names of the topic and its token; the URL that the event carries is never visited."""
        found = _ARN.fullmatch(topic)
        if not found or not _TOKEN.fullmatch(token):
            raise MalformedPayload("a confirmation without its topic or its token")
        region = found.group(1)
        suffix = ".cn" if region.startswith("cn-") else ""
        try:
            answer = requests.get(
                self._endpoint or f"https://sns.{region}.amazonaws.com{suffix}/",
                params={"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token, "Version": "2010-03-31"},
                timeout=(3, 8),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise VendorError(f"the subscription cannot be confirmed ({type(error).__name__})") from None
        if answer.status_code != 200:
            raise VendorError(f"the confirmation of the subscription was answered {answer.status_code}")

    def parse(self, request: WebhookRequest) -> InboundMessage:
        event = _event(request)
        if event.get("Type") != "Notification":
            raise MalformedPayload("not a notification")
        notice = _object(str(event.get("Message", "")))
        mail, receipt = notice.get("mail"), notice.get("receipt")
        if notice.get("notificationType") != "Received" or not isinstance(mail, dict) or not isinstance(receipt, dict):
            raise MalformedPayload("not a notification of a received mail")
        recipients = _addresses(receipt.get("recipients"))
        message_id = mail.get("messageId")
        if not recipients or not isinstance(message_id, str) or not message_id:
            raise MalformedPayload("recipients or messageId are missing")
        raw = _raw(notice, receipt)
        headers = head_of(raw) if raw is not None else _headers(mail)
        name, address, several = author(headers)
        source = mail.get("source")
        envelope_from = source.strip().strip("<>").lower()[:320] if isinstance(source, str) else None
        return InboundMessage(
            provider=self.name,
            event_id=message_id[:200],
            # a notice without the mail must not keep the mail itself away
            dedupe_keys=(f"{self.name}:{'notice:' if raw is None else ''}{message_id}:{'|'.join(sorted(recipients))}",),
            channel="email",
            route=Route.RECIPIENT,
            sender=address or envelope_from or "",
            sender_name=name or None,
            recipients=recipients,
            received_at=request.received_at,
            sent_at=mail_date(top(headers, "date")),
            content=_content(raw, headers),
            envelope_from=envelope_from,
            evidence=_evidence(receipt, envelope_from, several or not address),
        )


def _moment(timestamp: str) -> datetime:
    try:
        found = datetime.fromisoformat(timestamp)
    except ValueError:
        raise BadSignature("the signed Timestamp is no time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _event(request: WebhookRequest) -> dict[str, Any]:
    """The body is JSON, whatever its content type says."""
    return _object(request.body)


def _object(raw: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedPayload("the body is not JSON") from None
    if not isinstance(found, dict):
        raise MalformedPayload("the body is not a JSON object")
    return found


def _addresses(value: Any) -> tuple[str, ...]:
    rows = value[:_RECIPIENTS_MAX] if isinstance(value, list) else []
    found = (row.strip().strip("<>").lower()[:320] for row in rows if isinstance(row, str))
    return tuple(dict.fromkeys(row for row in found if row))


def _headers(mail: Mapping[str, Any]) -> Headers:
    """What the notice has of them: SES cuts the list at 10 KB, and repeats the common ones."""
    common = mail.get("commonHeaders")
    if mail.get("headersTruncated") and isinstance(common, dict):
        shown = common.get("from")
        pairs = [("from", ", ".join(map(str, shown)) if isinstance(shown, list) else "")]
        pairs += [(name, str(common.get(name) or "")) for name in ("subject", "date")]
        return tuple(pairs)
    rows = mail.get("headers")
    rows = rows[:500] if isinstance(rows, list) else []
    return tuple((str(row.get("name", "")).lower(), str(row.get("value", ""))) for row in rows if isinstance(row, dict))


def _evidence(receipt: Mapping[str, Any], envelope_from: str | None, several: bool) -> Evidence:
    """SES's verdicts, in a signed notification: the best evidence of all."""

    def verdict(name: str) -> str | None:
        found = receipt.get(f"{name}Verdict")
        return str(found.get("status", "")).lower() or None if isinstance(found, dict) else None

    policy = receipt.get("dmarcPolicy")
    return Evidence(
        spf=verdict("spf"),
        spf_domain=domain_of(envelope_from),
        dmarc=verdict("dmarc"),
        policy=policy.lower() if isinstance(policy, str) else None,
        malware=verdict("virus") == "fail",
        several_authors=several,
    )


def _content(raw: bytes | None, headers: Headers) -> Content:
    subject = decode_words(top(headers, "subject") or "") or None
    if raw is None:
        # it lies in a bucket (S3 action), or was left out: said, not lost
        return Content(subject=subject, text=_TOO_LARGE, headers=kept(headers))
    return Content(subject=subject, mime=base64.b64encode(raw).decode()) if raw.strip() else Content()


def _raw(notice: Mapping[str, Any], receipt: Mapping[str, Any]) -> bytes | None:
    """The mail inside the notice; None where it did not come along."""
    said = notice.get("content")
    if not isinstance(said, str):
        return None
    action = receipt.get("action")
    encoding = str(action.get("encoding", "")) if isinstance(action, dict) else ""
    if encoding.upper() == "BASE64":
        try:
            return base64.b64decode(said, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedPayload("content is not base64") from None
    return said.encode("utf-8", "replace")


def _from_env(env: Env) -> Provider | None:
    topics = env.list("SES_SNS_TOPIC_ARNS", None, subcast=str.strip, validate=_arns)
    pinned = env.str("SES_SNS_CERTIFICATE", None, validate=_certificate)
    endpoint = env.str("SES_SNS_ENDPOINT", None)
    return Ses(tuple(topics), Certificates(pinned), endpoint) if topics else None


def _arns(values: list[str]) -> None:
    if not values or not all(_ARN.fullmatch(value) for value in values):
        raise ValidationError("must be the ARN of a topic, several separated by commas")


def _certificate(value: str) -> None:
    try:
        key_of(value.encode())
    except ValueError:
        raise ValidationError("must be an RSA certificate in PEM") from None


def _credentials(env: Mapping[str, str]) -> dict[str, Any]:
    return {"topic_arn": env["SES_SNS_TOPIC_ARNS"].split(",")[0], "private_key": env["SES_SNS_SENDER_KEY"]}


SPEC = ProviderSpec(
    name="amazon-ses",
    provider=Ses,
    channels=("email",),
    settings=("SES_SNS_TOPIC_ARNS", "SES_SNS_CERTIFICATE", "SES_SNS_ENDPOINT"),
    local_settings=("SES_SNS_SENDER_KEY",),
    from_env=_from_env,
    sender=SesSender,
    local_env=local_env,
    credentials=_credentials,
    mail_hosts=("amazonaws.com",),
    asked={"SES_SNS_TOPIC_ARNS": "ARN of the SNS topic that SES publishes mails to"},
)
