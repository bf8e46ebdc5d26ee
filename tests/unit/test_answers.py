"""From an HTTP answer to its meaning, in both documented error shapes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integration_app.omi import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    InvalidRequest,
    OmiError,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    from_response,
)

SECRET = "my private words"


def shapes(text: str) -> list[bytes]:
    return [
        json.dumps({"detail": text}).encode(),
        json.dumps({"detail": {"message": text, "code": "x"}}).encode(),
        json.dumps({"error": {"message": text, "code": "x"}}).encode(),
        text.encode(),
    ]


@pytest.mark.parametrize(
    ("status", "text", "meaning"),
    [
        (401, "Missing or invalid Authorization header. Must be 'Bearer API_KEY'", BadCredentials),
        (403, "Invalid integration API key", BadCredentials),
        (403, "Invalid integrationAPI key", BadCredentials),
        (403, "Invalid API key", BadCredentials),
        (403, "App is not enabled for this user", AppNotEnabled),
        (403, "User does not have this app installed", AppNotEnabled),
        (403, "App does not have the capability to create conversations", AppMisconfigured),
        (403, "Something new", UnexpectedAnswer),
        (404, "App not found", AppMisconfigured),
        (404, "Not Found", AppMisconfigured),
        (400, "Invalid start_date format", InvalidRequest),
        (422, "Either text or explicit memories(facts) are required and cannot be empty", InvalidRequest),
        (429, "Rate limit exceeded. Try again in 2873s.", RateLimited),
        (500, "Error processing conversation, please try again later", OutcomeUnknown),
        (502, "Bad Gateway", OutcomeUnknown),
        (503, "Service Unavailable", Unavailable),
        (504, "", OutcomeUnknown),
        (307, "", UnexpectedAnswer),
        (418, "teapot", UnexpectedAnswer),
        (599, "", OutcomeUnknown),
        (408, "", OutcomeUnknown),
        (520, "origin error", OutcomeUnknown),
        (530, "", OutcomeUnknown),
    ],
)
def test_each_answer_has_one_meaning_in_every_shape(status: int, text: str, meaning: type[OmiError]) -> None:
    for body in shapes(text):
        with pytest.raises(OmiError) as caught:
            from_response(status, {}, body)
        assert type(caught.value) is meaning
        assert caught.value.status == status


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"detail": null}', b'{"detail": 5}']
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
@pytest.mark.usefixtures("no_collection")
def test_no_body_is_too_odd(status: int, body: bytes) -> None:
    with pytest.raises(OmiError):
        from_response(status, {}, body)


def test_success_is_its_json() -> None:
    assert from_response(200, {}, b"{}") == {}
    assert from_response(200, {}, b"") is None
    assert from_response(201, {}, b'{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("body", [b"<html>", b'{"id": "cut of', b"ok"])
def test_success_without_json_says_nothing_about_the_outcome(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        from_response(200, {}, body)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_page_of_html_is_not_omis_answer(status: int) -> None:
    with pytest.raises(UnexpectedAnswer):
        from_response(status, {}, b"\n<!doctype html><title>Attention required</title>")


def test_a_503_in_html_comes_from_in_front_of_omi() -> None:
    with pytest.raises(OutcomeUnknown):
        from_response(503, {}, b"<html>")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2873", 2873.0), ("2", 2.0), (" 1.5 ", 1.5), ("-3", 0.0), ("Fri, 20 Nov 2026 08:00:10 GMT", 10.0),
     ("Fri, 20 Nov 2020 08:00:10 GMT", 0.0), ("soon", None), ("", None), ("nan", None), ("inf", None),
     ("Mon, 01 Jan 99999999999 00:00:00 GMT", None), ("Mon, 01 Jan 2026 00:00:00 +99999999999999999999", None)],
)  # fmt: skip
def test_retry_after(header: str, seconds: float | None) -> None:
    with pytest.raises(RateLimited) as caught:
        from_response(429, {"retry-after": header}, b"", now=datetime(2026, 11, 20, 8, tzinfo=UTC))
    assert caught.value.retry_after == seconds


def test_limits_are_learned_from_headers() -> None:
    headers = {"retry-after": "9", "x-ratelimit-limit": "10", "x-ratelimit-remaining": "0"}
    with pytest.raises(RateLimited) as caught:
        from_response(429, headers, b"{}")
    assert (caught.value.limit, caught.value.remaining) == (10, 0)


def test_an_object_as_detail_without_retry_after() -> None:
    with pytest.raises(RateLimited) as caught:
        from_response(429, {}, b'{"detail": {"code": "byok_rate_limit", "message": "x"}}')
    assert caught.value.retry_after is None


def test_what_omi_echoes_never_reaches_an_error() -> None:
    rows: list[dict[str, Any]] = [{"type": "enum", "loc": ["body", "text_source"], "msg": "no", "input": SECRET}]
    with pytest.raises(InvalidRequest) as caught:
        from_response(422, {}, json.dumps({"detail": rows}).encode())
    assert caught.value.fields == ("body.text_source",)
    assert SECRET not in f"{caught.value!r} {caught.value} {vars(caught.value)}"
