"""Traces and crash reports leave the process, and neither carries what people wrote."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_app import bootstrap, logs, reporting
from integration_app.local.stack import Stack
from tests.journeys.conftest import FAST, Journey
from tests.receiver import Receiver

WORDS = "the cellar key is under the third stone"


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def spans(collector: Receiver) -> list[tuple[str, Any]]:
    """Service and span of everything that was exported."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found: list[tuple[str, Any]] = []
    for got in collector.at("/v1/traces"):
        body = gzip.decompress(got.body) if got.headers.get("content-encoding") == "gzip" else got.body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {row.key: row.value.string_value for row in resource.resource.attributes}
            found += [(names["service.name"], span) for scope in resource.scope_spans for span in scope.spans]
    return found


def test_one_trace_leads_from_the_webhook_to_the_call_to_omi(
    collector: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FAST | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", "WORKER_CLASS": "gevent",
    }  # fmt: skip
    with Stack(tmp_path, settings=settings) as stack:
        for name, value in stack.env.items():
            if not name.startswith("OTEL"):
                monkeypatch.setenv(name, value)
        services = bootstrap.build()
        journey = Journey(stack, services)
        for part in (WORDS, "and mind the dog"):
            assert journey.text(part).status_code == 200
        journey.until(lambda: "dog" in journey.held())
        found = journey.until(lambda: rows if len(rows := spans(collector)) >= 4 else None)
        services.omi.close()
        services.queue_connection.close()
    doors = [span for service, span in found if service == "omi-inbox-web"]
    (process,) = [span for service, span in found if service == "omi-inbox-worker" and span.name.startswith("process")]
    (call,) = [span for service, span in found if service == "omi-inbox-worker" and span.name.startswith("POST")]
    root = next(span for span in doors if span.span_id == process.parent_span_id)
    (other,) = [span for span in doors if span is not root]
    assert root.trace_id == process.trace_id == call.trace_id
    assert root.parent_span_id == b""
    assert call.parent_span_id == process.span_id
    assert [link.trace_id for link in process.links] == [other.trace_id], "the second text has a trace of its own"
    assert root.start_time_unix_nano <= root.end_time_unix_nano <= process.start_time_unix_nano
    everything = b"".join(got.body for got in collector.got)
    assert b"cellar" not in everything
    assert b"+1555" not in everything


def test_a_crash_is_told_by_its_kind_and_place_alone(collector: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_on_crash", [])
    reporting.configure(collector.url.replace("//", "//public@") + "/1", "9.9")
    _crash()
    deadline = time.monotonic() + 10
    while not (got := collector.at("/api/1/envelope/")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    body = gzip.decompress(got[0].body) if got[0].headers.get("content-encoding") == "gzip" else got[0].body
    event = json.loads(body.split(b"\n")[2])
    (row,) = event["exception"]["values"]
    assert (row["type"], event["release"], event["tags"]["where"]) == ("ValueError", "omi-inbox@9.9", "prepare")
    assert row["stacktrace"]["frames"][-1]["function"] == "_crash"
    assert b"cellar" not in body
    import sentry_sdk

    sentry_sdk.get_client().close()
    sentry_sdk.init()  # off again for whatever runs later in this process


def _crash() -> None:
    secret = WORDS
    try:
        int(secret)
    except ValueError as error:
        logs.crash("prepare", error)


def test_without_settings_nothing_is_imported_and_nothing_leaves() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from integration_app import tracing, reporting\n"
        "tracing.configure('web', '1'); reporting.configure(None, '1')\n"
        "assert not any(name.startswith(('opentelemetry', 'sentry_sdk')) for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
