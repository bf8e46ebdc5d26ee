"""Callers' addresses as proxies and dual-stack sockets write them."""

from __future__ import annotations

import pytest

from integration_app.web import callers


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("192.0.2.1:50123", "192.0.2.1/32"),
        ("[2001:db8:1:2::7]:443", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::7", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("[::ffff:192.0.2.9]:80", "192.0.2.9/32"),
        ("64:ff9b::192.0.2.33", "192.0.2.33/32"),
        ("2002:c000:0204::1", "192.0.2.4/32"),
        ('"[2001:db8::1]:1"', "2001:db8::/64"),
        ("", "?"),
        ("unknown", "?"),
        ("_hidden", "?"),
        ("evil" * 100, "?"),
    ],
)
def test_one_form_of_an_address(given: str, expected: str) -> None:
    assert callers.share(given) == expected


def test_a_port_or_another_address_of_the_network_makes_no_other_caller() -> None:
    assert len({callers.share(f"192.0.2.1:{port}") for port in range(1000, 1100)}) == 1
    assert len({callers.share(f"[2001:db8::{n:x}]:{n}") for n in range(1, 100)}) == 1
    assert len({callers.network(f"2001:db8:1:{n:x}::1") for n in range(100)}) == 1
    assert len({callers.share(f"::ffff:192.0.2.{n}") for n in range(100)}) == 100, "different people stay different"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("127.0.0.1", False), ("10.1.2.3", False), ("192.168.1.1:80", False), ("fdaa::1", False), ("::1", False),
        ("8.8.8.8", True), ("[2606:4700::1]:443", True), ("", False),
    ],
)  # fmt: skip
def test_a_proxy_has_no_address_of_the_internet(given: str, expected: bool) -> None:
    assert callers.is_public(given) is expected
