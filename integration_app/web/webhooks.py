"""`/webhooks/<provider>`: from an HTTP request to a stored message, and back to the status the vendor needs.

Order: known provider → size → raw body, once → genuine → readable → written down → answered. No outbound call but those
that a vendor's own proof needs.
"""

from __future__ import annotations

import re
import time

from flask import Blueprint, Response, request
from redis.exceptions import RedisError
from werkzeug.exceptions import ClientDisconnected, NotFound, RequestEntityTooLarge

from integration_app import logs, tracing
from integration_app.bootstrap import Services
from integration_app.errors import (
    BadSignature,
    DoorError,
    MalformedPayload,
    OverLimit,
    StoreUnfit,
    UnknownRecipient,
    VendorError,
)
from integration_app.model import InboundMessage
from integration_app.providers.base import Outcome, Provider, Reply, Told, WebhookRequest
from integration_app.store.ingest import Receipt
from integration_app.store.refusals import Refusal
from integration_app.text.clean import one_line
from integration_app.web.door_times import DoorTimes
from integration_app.web.request_timeout import Busy, within_limits

log = logs.get(__name__)

_REFUSED: tuple[tuple[type[Exception], Outcome], ...] = (
    (BadSignature, Outcome.BAD_SIGNATURE),
    (MalformedPayload, Outcome.MALFORMED),
    (UnknownRecipient, Outcome.UNKNOWN_RECIPIENT),
    (OverLimit, Outcome.OVER_LIMIT),
)
_ACCEPTED = {
    Receipt.STORED: Outcome.STORED,
    Receipt.DUPLICATE: Outcome.DUPLICATE,
    Receipt.RECORDED: Outcome.RECORDED,
}
_SAYS_MORE = (Outcome.STORED, Outcome.RECORDED, Outcome.DUPLICATE)
_UNCOUNTED = (Outcome.PROBE, Outcome.UNAVAILABLE, Outcome.UNKNOWN_RECIPIENT, Outcome.OVER_LIMIT, *_ACCEPTED.values())
_NOTED = (Outcome.BAD_SIGNATURE, Outcome.MALFORMED, Outcome.UNKNOWN_RECIPIENT, Outcome.TOO_LARGE, Outcome.OVER_LIMIT)
"""Refusals that an operator can do something about."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""All of them: a framework's own 405 would be an answer that the provider did not choose."""


def blueprint(services: Services) -> Blueprint:
    doors = Blueprint("webhooks", __name__)
    times = DoorTimes(services.health)

    @doors.route("/webhooks/<name>", methods=METHODS, provide_automatic_options=False)
    @doors.route("/webhooks/<name>/", methods=METHODS, provide_automatic_options=False)
    @doors.route("/webhooks/<name>/<path:ending>", methods=METHODS, provide_automatic_options=False)
    def webhook(name: str, ending: str = "") -> Response:
        found = services.providers.get(name)
        provider = found.at(f"/{ending}" if ending else "") if found else None
        if found is not None and provider is None:
            raise NotFound
        if provider is None:
            if name in services.providers_off:
                _note(services, name, Outcome.NOT_CONFIGURED, "it is off")
                return Response(status=services.providers_off[name])
            raise NotFound
        began = time.monotonic()
        reply, outcome = _receive(provider, services)
        times.took(time.monotonic() - began)
        return _response(reply, outcome)

    return doors


def _receive(provider: Provider, services: Services) -> tuple[Reply, Outcome]:
    why: str | None = None
    cause = ""
    answer: Reply | None = None
    request.max_content_length = provider.max_body_bytes
    try:
        outcome, answer = _handled(provider, services)
    except RequestEntityTooLarge:
        outcome = Outcome.TOO_LARGE
    except ClientDisconnected:
        outcome = Outcome.UNAVAILABLE
    except DoorError as refusal:
        outcome = _outcome_of(refusal)
        why = str(refusal) if outcome is Outcome.MALFORMED else None  # an unproven caller is told nothing
        cause = str(refusal)
        log.info("refused", provider=provider.name, outcome=outcome.value, why=cause)
    except Busy:
        log.warning("too many bytes at a time", provider=provider.name)
        outcome = Outcome.UNAVAILABLE
    except TimeoutError:
        log.info("the caller stalled", provider=provider.name)
        outcome = Outcome.UNAVAILABLE
    except VendorError as error:
        log.error("vendor unavailable", provider=provider.name, why=str(error))
        outcome = Outcome.UNAVAILABLE
    except StoreUnfit as error:
        log.error("store unfit", provider=provider.name, why=str(error))
        outcome = Outcome.UNAVAILABLE
    except (RedisError, OSError) as error:
        log.error("store unavailable", provider=provider.name, error=type(error).__name__)
        outcome = Outcome.UNAVAILABLE
    except Exception as error:  # noqa: BLE001 - a crash of ours must not make the vendor drop the message
        logs.crash(f"the door of {provider.name}", error)
        outcome = Outcome.UNAVAILABLE
    _count(provider, services, outcome)
    if outcome in _NOTED and answer is None:
        _note(services, provider.name, outcome, cause)
    return answer or provider.reply(outcome, why), outcome


def _handled(provider: Provider, services: Services) -> tuple[Outcome, Reply | None]:
    """What became of a request, and its answer where that is not the usual one."""
    if provider.proven_by_headers and request.method == "POST":
        provider.verify(_webhook_request(services, b""))  # who cannot prove it need not send a body
    with within_limits(provider.max_body_bytes):
        event = _webhook_request(services, request.get_data(cache=False))
    if provider.is_probe(event):
        return Outcome.PROBE, None
    provider.verify(event)
    if event.method not in ("POST", "GET"):
        raise MalformedPayload(f"{event.method} carries no event")
    if acknowledged := provider.acknowledge(event):
        return Outcome.ACKNOWLEDGED, acknowledged
    told, refused = _all(provider, services, event)
    if told is not None:
        if refused is not None:
            _note(services, provider.name, _outcome_of(refused), f"one of several: {refused}")
        return told.outcome, provider.tell_sender(event, told)
    if refused is None:
        raise MalformedPayload("it carries no message")
    answer = provider.tell_sender(event, Told(_outcome_of(refused)))
    if answer is None:
        raise refused
    _note(services, provider.name, _outcome_of(refused), str(refused))
    return _outcome_of(refused), answer


def _all(provider: Provider, services: Services, event: WebhookRequest) -> tuple[Told | None, DoorError | None]:
    """Take in each message of a request: what is to be told of the best of them, and a refusal of another. One that is
    over a limit raises, after the others: all is sent again then, and what is written down already is known.
    """
    told: Told | None = None
    refused: DoorError | None = None
    over: OverLimit | None = None
    for message in provider.messages(event):
        try:
            told = _best(told, _accepted(provider, services, message))
        except OverLimit as refusal:
            over = refusal
        except DoorError as refusal:
            refused = refusal
    if over is not None:
        raise over
    return told, refused


def _accepted(provider: Provider, services: Services, message: InboundMessage | DoorError) -> Told:
    if isinstance(message, DoorError):
        raise message
    accepted = services.intake.accept(message)
    outcome = _ACCEPTED[accepted.receipt]
    if accepted.receipt is not Receipt.DUPLICATE:
        tracing.accepted(accepted.message_id, provider.name, outcome.value, message.received_at, services.clock())
    wants = outcome is Outcome.STORED and provider.gives_receipts and _wants_receipt(services, message)
    return Told(outcome, accepted.control, wants)


def _wants_receipt(services: Services, message: InboundMessage) -> bool:
    """Whether one of those who get it wants to be shown that it was written down. No fault here undoes that it was."""
    try:
        rows = map(services.installations.get, services.installations.with_phone(message.sender))
        return any(row.preferences.receipts for row in rows if row)
    except (RedisError, OSError):
        return False


def _best(one: Told | None, other: Told) -> Told:
    """Of several messages in one request: that something was stored says more than that something was known."""
    return other if one is None or _SAYS_MORE.index(other.outcome) < _SAYS_MORE.index(one.outcome) else one


def _outcome_of(refusal: DoorError) -> Outcome:
    return next(found for kind, found in _REFUSED if isinstance(refusal, kind))


def _webhook_request(services: Services, body: bytes) -> WebhookRequest:
    target = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
    if not target.startswith("/"):  # absolute form, as some proxies send it
        target = "/" + target.partition("://")[2].partition("/")[2]
    return WebhookRequest(
        method=request.method,
        # From the configured base, never from Host or X-Forwarded-*: those are the caller's to choose.
        url=services.settings.public_base_url + target,
        query=target.partition("?")[2],
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        received_at=services.clock(),
    )


def _count(provider: Provider, services: Services, outcome: Outcome) -> None:
    """Refusals leave no message behind, so they are counted. An answer does not wait for a Redis that is away.

    What came as far as the store has been counted there, in the same step.
    """
    if outcome in _UNCOUNTED:
        return
    try:
        services.health.count(f"webhooks:{provider.name}:{outcome}", now=services.clock())
    except (RedisError, OSError):
        log.warning("not counted", provider=provider.name)


def _note(services: Services, name: str, outcome: Outcome, why: str) -> None:
    try:
        services.refusals.note(name, Refusal(services.clock(), outcome.value, why, _shape()))
    except (RedisError, OSError):
        log.warning("not noted", provider=name)


def _shape() -> str:
    """What a refused request looked like: a vendor or a scanner, and which header is missing."""
    names = sorted({name.lower() for name in request.headers.keys()})  # noqa: SIM118 - not a dict
    program = re.match(r"[\w.-]{1,30}(/[\w.-]{1,15})?", request.user_agent.string)
    parts = (
        request.method,
        one_line(request.mimetype, 60) or "no type",
        f"{request.content_length or 0} bytes",
        f"by {program[0] if program else 'no program'}",
        f"headers {', '.join(name[:40] for name in names[:30])}",
    )
    return "; ".join(parts)


def _response(reply: Reply, outcome: Outcome) -> Response:
    response = Response(reply.body, reply.status)
    response.headers["X-Outcome"] = outcome.value  # several outcomes share a status, and one vendor's body says nothing
    if reply.content_type:
        response.headers["Content-Type"] = reply.content_type
    if reply.status == 503:
        response.headers["Retry-After"] = "300" if outcome is Outcome.OVER_LIMIT else "30"
    return response
