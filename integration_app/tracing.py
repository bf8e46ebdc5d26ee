"""One trace for each message, from its webhook to the call to Omi: OpenTelemetry, with the extra `omi-inbox[otel]`.

Nothing of it is kept in Redis. The trace of a message, and the span of its webhook, have ids that are made of the
message's id, so every process knows them. A delivery is a span in the trace of its first message, and links to the
others. Off, and free, unless OTEL_EXPORTER_OTLP_ENDPOINT is set; the SDK reads its other settings itself.

Names: OpenTelemetry's semantic conventions for messaging and HTTP. Neither uids nor words are in them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from integration_app import logs

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, Tracer

log = logs.get(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LINKS_MAX = 100
_tracer: Tracer | None = None
_provider: Any = None
_ids: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)
"""Of the span that is begun: only the webhook's are not random."""


def configure(process: str, version: str) -> None:
    """Begin to trace, where an endpoint is set. `process`: web or worker."""
    global _tracer, _provider
    if not any(os.environ.get(name) for name in _ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError:
        log.error("no traces: they need an extra", install="pip install 'omi-inbox[otel]'")
        return

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            given = _ids.get()
            return given[0] if given else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given = _ids.get()
            return given[1] if given else super().generate_span_id()

    resource = Resource.create({"service.namespace": "omi-inbox", "service.version": version} | _service(process))
    _provider = TracerProvider(resource=resource, id_generator=Ids())
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("omi-inbox", version)


def flush() -> None:
    """Send what is still here, before the process ends."""
    if _provider is not None:
        _provider.force_flush(3000)


def accepted(message_id: str, provider: str, outcome: str, began: datetime, ended: datetime) -> None:
    """The webhook that brought a message; the root of its trace."""
    if _tracer is None or not message_id:
        return
    try:
        _accepted(_tracer, message_id, provider, outcome, began, ended)
    except Exception as error:  # noqa: BLE001 - the message is stored: nothing may make its vendor send it again
        log.warning("not traced", error=type(error).__name__)


def _accepted(tracer: Tracer, message_id: str, provider: str, outcome: str, began: datetime, ended: datetime) -> None:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    root = _root(message_id)
    token = _ids.set((root.trace_id, root.span_id))
    try:
        span = tracer.start_span(
            f"send {provider}",
            context=Context(),
            kind=SpanKind.PRODUCER,
            start_time=_nanos(began),
            attributes={
                "messaging.system": "redis",
                "messaging.operation.type": "send",
                "messaging.operation.name": "accept",
                "messaging.destination.name": "outbox",
                "messaging.message.id": message_id,
                "omi_inbox.provider": provider,
                "omi_inbox.outcome": outcome,
            },
        )
    finally:
        _ids.reset(token)
    span.end(_nanos(ended))


@contextmanager
def delivering(delivery_id: str, message_ids: Sequence[str], kind: str) -> Iterator[None]:
    """The call to Omi that carries these messages."""
    if _tracer is None:
        yield
        return
    from opentelemetry.trace import Link, NonRecordingSpan, SpanKind, Status, StatusCode, set_span_in_context

    first, *others = [_root(name) for name in message_ids[:_LINKS_MAX]]
    span = _tracer.start_span(
        f"process {kind}",
        context=set_span_in_context(NonRecordingSpan(first)),
        kind=SpanKind.CONSUMER,
        links=[Link(other) for other in others],
        attributes={
            "messaging.system": "redis",
            "messaging.operation.type": "process",
            "messaging.operation.name": "deliver",
            "messaging.destination.name": "outbox",
            "messaging.message.id": message_ids[0],
            "messaging.batch.message_count": len(message_ids),
            "omi_inbox.delivery": delivery_id,
        },
    )
    with _tracer.start_as_current_span(
        f"POST {kind}",
        context=set_span_in_context(span),
        kind=SpanKind.CLIENT,
        attributes={"http.request.method": "POST", "peer.service": "omi"},
        record_exception=False,  # its text may repeat a message
        set_status_on_exception=False,
    ) as call:
        try:
            yield
        except Exception as error:
            for each in (call, span):
                each.set_attribute("error.type", type(error).__name__)
                each.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.end()


def _service(process: str) -> dict[str, str]:
    return {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"omi-inbox-{process}"}


def _root(message_id: str) -> SpanContext:
    from opentelemetry.trace import SpanContext, TraceFlags

    made = hashlib.sha256(message_id.encode()).digest()
    trace, span = int.from_bytes(made[:16]), int.from_bytes(made[16:24])
    taken = _provider.sampler.should_sample(None, trace, "root").decision.is_sampled()  # as it decided for the webhook
    flags = TraceFlags(TraceFlags.SAMPLED if taken else TraceFlags.DEFAULT)
    return SpanContext(trace or 1, span or 1, is_remote=True, trace_flags=flags)


def _nanos(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
