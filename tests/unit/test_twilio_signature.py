"""Twilio's signature against its published vectors and against Twilio's own package."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from integration_app.providers.twilio.signature import is_genuine, sign

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
FIELDS = st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=8)


def test_published_vector() -> None:
    assert sign("12345", URL, PARAMS) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_published_vector_with_a_name_that_occurs_several_times() -> None:
    params = [("Sid", "CA123"), ("SidAccount", "AC123"), *(("Digits", digits) for digits in ("5678", "1234", "1234"))]
    assert sign("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", params) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="


@settings(max_examples=3000, deadline=None)
@given(token=TEXT.filter(bool), fields=FIELDS)
def test_agrees_with_the_vendors_package(token: str, fields: list[tuple[str, str]]) -> None:
    oracle = RequestValidator(token).compute_signature(URL, MultiDict(fields))
    assert sign(token, URL, fields) == oracle


def test_a_default_port_may_be_spelled_out_or_left_out() -> None:
    for signed in ("https://a.example/x?y=1", "https://a.example:443/x?y=1"):
        for configured in ("https://a.example/x?y=1", "https://a.example:443/x?y=1"):
            assert is_genuine(sign("t", signed, PARAMS), ["t"], configured, PARAMS, b"")


def test_another_port_is_tried_with_and_without() -> None:
    assert is_genuine(sign("t", "https://a.example/x", []), ["t"], "https://a.example:8443/x", [], b"")
    assert not is_genuine(sign("t", "https://a.example:9/x", []), ["t"], "https://a.example:8443/x", [], b"")


def test_any_token_of_the_list_is_enough_and_no_other_one() -> None:
    signature = sign("new", URL, PARAMS)
    assert is_genuine(signature, ["old", "new"], URL, PARAMS, b"")
    assert not is_genuine(signature, ["old"], URL, PARAMS, b"")


def test_white_space_in_values_is_part_of_them() -> None:
    signature = sign("t", URL, [("Body", " a ")])
    assert not is_genuine(signature, ["t"], URL, [("Body", "a")], b"")


def test_a_json_body_must_fit_its_digest() -> None:
    body = b'{"a": 1}'
    url = f"https://a.example/x?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = RequestValidator("t").compute_signature(url, {})
    assert is_genuine(signature, ["t"], url, [], body)
    assert not is_genuine(signature, ["t"], url, [], body + b" ")
    assert RequestValidator("t").validate(url, body.decode(), signature)


def test_a_url_with_an_impossible_port_is_only_compared_as_it_is() -> None:
    url = "https://a.example:port/x"
    assert is_genuine(sign("t", url, []), ["t"], url, [], b"")
