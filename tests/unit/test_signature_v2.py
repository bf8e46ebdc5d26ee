"""Omi's rule for signed chat tools, with vectors written out by hand: eight parts, a line each but for the body.

path: each segment percent-decoded and encoded again, unreserved signs bare. query: pairs sorted by name alone, stably, a
blank as %20. Neither our receiver nor the sandbox made these.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest

from integration_app.sandbox.webhooks import sign_v2
from integration_app.web.omi_signature import canonical_path, canonical_query, is_tool_genuine

SECRET = "whsec_made_up_for_this_test"
STAMP = 1_795_000_000
NOW = datetime.fromtimestamp(STAMP + 20, UTC)

VECTORS = {
    # path as sent, query as sent, the two lines that are signed
    "plain": ("/omi/tools/pause", "", "/omi/tools/pause", ""),
    "no path": ("", "", "/", ""),
    "colon and quote": ("/omi/tools/a:b'c", "", "/omi/tools/a%3Ab%27c", ""),
    "encoded already": ("/omi/tools/a%3ab%27c", "", "/omi/tools/a%3Ab%27c", ""),
    "needlessly encoded": ("/omi/%74ools/x", "", "/omi/tools/x", ""),
    "unreserved": ("/a-b._~c", "", "/a-b._~c", ""),
    "umlaut": ("/gr%C3%BC%C3%9Fe", "", "/gr%C3%BC%C3%9Fe", ""),
    "encoded slash": ("/a%2Fb", "", "/a%2Fb", ""),
    "a blank": ("/t", "q=one two", "/t", "q=one%20two"),
    "a plus is a blank": ("/t", "q=one+two", "/t", "q=one%20two"),
    "an encoded plus": ("/t", "q=1%2B1", "/t", "q=1%2B1"),
    "by name": ("/t", "b=2&a=1", "/t", "a=1&b=2"),
    "values of one name stay": ("/t", "a=2&b=0&a=1", "/t", "a=2&a=1&b=0"),
    "empty values": ("/t", "b=&a", "/t", "a=&b="),
    "signs": ("/t", "q=a/b?c:d@e", "/t", "q=a%2Fb%3Fc%3Ad%40e"),
    "tilde": ("/t", "q=~x", "/t", "q=~x"),
}


def by_hand(path: str, query: str, method: str, body: bytes) -> str:
    text = f"v2\n{STAMP}\nd-1\nchat_tool\n{method}\n{path}\n{query}\n".encode() + body
    return hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", VECTORS)
def test_the_canonical_lines(name: str) -> None:
    path, query, signed_path, signed_query = VECTORS[name]
    assert (canonical_path(path), canonical_query(query)) == (signed_path, signed_query)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b'{"uid": "u"}')])
def test_both_sides_sign_what_the_rule_says(name: str, method: str, body: bytes) -> None:
    path, query, signed_path, signed_query = VECTORS[name]
    expected = by_hand(signed_path, signed_query, method, body)
    url = f"https://inbox.example.com{path}{f'?{query}' if query else ''}"
    assert sign_v2(SECRET, STAMP, "d-1", method, url, body) == expected
    assert is_tool_genuine(
        f"t={STAMP},v2={expected}",
        delivery="d-1",
        event="chat_tool",
        method=method.lower(),
        path=path,
        query=query,
        body=body,
        secrets=["whsec_another_one_of_before", SECRET],
        now=NOW,
    )


def test_another_order_of_values_is_another_request() -> None:
    signature = by_hand("/t", "a=1&a=2", "GET", b"")
    assert not is_tool_genuine(
        f"t={STAMP},v2={signature}",
        delivery="d-1", event="chat_tool", method="GET", path="/t", query="a=2&a=1", body=b"", secrets=[SECRET], now=NOW,
    )  # fmt: skip
