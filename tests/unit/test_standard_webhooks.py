"""The Standard Webhooks signature against its published vector and against the reference package."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from integration_app.errors import BadSignature
from integration_app.standard_webhooks import read_keys, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = datetime.fromtimestamp(1614265330, UTC)


def headers(signature: str, identifier: str = "msg_1", stamp: int = 1614265330) -> dict[str, str]:
    return {"webhook-id": identifier, "webhook-timestamp": str(stamp), "webhook-signature": signature}


def is_genuine(signature: str, body: bytes = b"{}", secrets: tuple[str, ...] = (SECRET,), **more: object) -> bool:
    try:
        verify(headers(signature, **more), body, read_keys(secrets), NOW)  # type: ignore[arg-type]
    except BadSignature:
        return False
    return True


def test_published_vector() -> None:
    signature = sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@settings(max_examples=2000, deadline=None)
@given(key=st.binary(min_size=24, max_size=64), body=st.text(max_size=50), number=st.integers(0, 2**31))
def test_agrees_with_the_reference(key: bytes, body: str, number: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    made = sign(secret, "msg_1", number, body.encode("utf-8", "replace"))
    oracle = Webhook(secret).sign(
        "msg_1", datetime.fromtimestamp(number, UTC), body.encode("utf-8", "replace").decode()
    )
    assert made == oracle


def test_five_minutes_either_way_and_no_more() -> None:
    for seconds, genuine in ((0, True), (300, True), (-300, True), (301, False), (-301, False)):
        stamp = int((NOW + timedelta(seconds=seconds)).timestamp())
        assert is_genuine(sign(SECRET, "msg_1", stamp, b"{}"), stamp=stamp) is genuine


def test_any_key_of_the_list_is_enough() -> None:
    other = "whsec_" + base64.b64encode(b"o" * 24).decode()
    signature = sign(other, "msg_1", 1614265330, b"{}")
    assert not is_genuine(signature)
    assert is_genuine(signature, secrets=(SECRET, other))
    assert is_genuine(f"v1,AAAA v9,x nonsense , {signature}", secrets=(SECRET, other))


def test_a_secret_without_prefix_or_padding_is_the_same_secret() -> None:
    bare = SECRET.removeprefix("whsec_").rstrip("=")
    assert is_genuine(sign(SECRET, "msg_1", 1614265330, b"{}"), secrets=(bare,))


def test_ed25519() -> None:
    private = Ed25519PrivateKey.generate()
    secret = "whsk_" + base64.b64encode(private.private_bytes_raw()).decode()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    signature = sign(secret, "msg_1", 1614265330, b"{}")
    assert signature.startswith("v1a,")
    assert is_genuine(signature, secrets=(public,))
    assert not is_genuine(signature, body=b"{ }", secrets=(public,))
    assert not is_genuine("v1a,%%%", secrets=(public,))


@pytest.mark.parametrize("wrong", ["whsec_", "whsec_$$$", "whpk_AAAA", "whsk_AAAA", "short"])
def test_keys_that_are_none_are_refused_without_repeating_them(wrong: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_keys([wrong])
    assert wrong not in str(caught.value) or wrong in ("whsec_", "whsk_AAAA")


@settings(max_examples=500, deadline=None)
@given(st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "svix-id"]), st.text()))
def test_no_headers_make_it_raise_anything_else(given_headers: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(given_headers, b"{}", read_keys([SECRET]), NOW)
