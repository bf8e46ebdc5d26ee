"""Mailgun's signature and the byte-exact reading of forms."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integration_app.errors import MalformedPayload
from integration_app.providers.common.multipart import Part, parts
from integration_app.providers.mailgun.signature import is_genuine, sign

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))


def test_the_signature_is_the_documented_one() -> None:
    expected = hmac.new(b"key", f"{STAMP}token".encode(), hashlib.sha256).hexdigest()
    assert sign("key", STAMP, "token") == expected


@pytest.mark.parametrize(
    ("hours", "genuine"), [(0, True), (-8, True), (-23.9, True), (-24.1, False), (0.08, True), (0.1, False)]
)
def test_a_day_back_and_five_minutes_ahead(hours: float, genuine: bool) -> None:
    stamp = str(int((NOW + timedelta(hours=hours)).timestamp()))
    assert is_genuine(stamp, "t", sign("k", stamp, "t"), ["other", "k"], NOW) is genuine


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=70))
def test_nothing_odd_is_genuine_or_raises(timestamp: str, token: str, signature: str) -> None:
    assert not is_genuine(timestamp, token, signature, ["k"], NOW)


def body(*rows: bytes) -> bytes:
    return b"".join(b"--b\r\n" + row + b"\r\n" for row in rows) + b"--b--\r\n"


def test_parts_keep_their_bytes() -> None:
    found = parts(
        "multipart/form-data; boundary=b",
        body(
            b'Content-Disposition: form-data; name="text"\r\n\r\nOl\xe1\r\n',
            b'Content-Disposition: form-data; name="a"; filename="x.pdf"\r\nContent-Type: application/pdf\r\n\r\n\x00\xff',
        ),
    )
    assert found == [Part("text", b"Ol\xe1\r\n"), Part("a", b"\x00\xff", "x.pdf", "application/pdf")]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200))
def test_a_broken_form_is_malformed_or_empty(raw: bytes) -> None:
    try:
        parts("multipart/form-data; boundary=b", b"--b\r\n" + raw)
    except MalformedPayload:
        return


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=b"])
def test_another_content_type_is_malformed(content_type: str) -> None:
    with pytest.raises(MalformedPayload):
        parts(content_type, b"x")


def test_too_many_parts_are_malformed() -> None:
    row = b'Content-Disposition: form-data; name="a"\r\n\r\n1'
    with pytest.raises(MalformedPayload):
        parts("multipart/form-data; boundary=b", body(*[row] * 2001))
