"""Who is believed, and why."""

from __future__ import annotations

import pytest

from integration_app.model import Evidence, Route, Trust
from integration_app.pipeline.intake.trust import judge, organisation
from integration_app.text.addresses import listings, normal
from tests.unit.factories import message


def _is_listed(sender: str, senders: tuple[str, ...]) -> bool | None:
    return not set(listings(sender)).isdisjoint(map(normal, senders)) if senders else None


def trust(evidence: Evidence, *senders: str, sender: str = "ana@example.com") -> Trust:
    mail = message("x", channel="email", route=Route.RECIPIENT, sender=sender, evidence=evidence)
    return judge(mail, _is_listed(mail.sender, senders)).trust


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(), Trust.ALLOWED),
        (Evidence(spf="pass", spf_domain="example.com"), Trust.VERIFIED),
        (Evidence(spf="pass", spf_domain="bounces.mail.example.com"), Trust.VERIFIED),
        (Evidence(spf="pass", spf_domain="example.org"), Trust.ALLOWED),
        (Evidence(spf="fail", spf_domain="example.com"), Trust.ALLOWED),
        (Evidence(dkim=("example.org", "mail.example.com")), Trust.VERIFIED),
        (Evidence(dkim=("example.org",)), Trust.ALLOWED),
        (Evidence(author_signed=True), Trust.VERIFIED),
        (Evidence(dmarc="pass"), Trust.VERIFIED),
        (Evidence(dmarc="fail", policy="reject"), Trust.REJECTED),
        (Evidence(dmarc="fail", policy="quarantine"), Trust.REJECTED),
        (Evidence(dmarc="fail", policy="none"), Trust.ALLOWED),
        (Evidence(dmarc="pass", malware=True), Trust.REJECTED),
        (Evidence(dkim=("example.com",), several_authors=True), Trust.ALLOWED),
        (Evidence(spf="pass", spf_domain="mail.example.com", dmarc="fail", policy="none"), Trust.ALLOWED),
        (Evidence(spf="pass", spf_domain="mail.example.com", dmarc="fail", policy="reject"), Trust.REJECTED),
    ],
)
def test_mail_for_somebody_without_a_list(evidence: Evidence, expected: Trust) -> None:
    assert trust(evidence) is expected


@pytest.mark.parametrize(
    ("evidence", "senders", "expected"),
    [
        (Evidence(dmarc="pass"), ("ana@example.com",), Trust.VERIFIED),
        (Evidence(dmarc="pass"), ("ANA@Example.com",), Trust.VERIFIED),
        (Evidence(dkim=("example.com",)), ("@example.com",), Trust.VERIFIED),
        (Evidence(), ("ana@example.com",), Trust.REJECTED),
        (Evidence(spf="pass", spf_domain="example.org"), ("@example.com",), Trust.REJECTED),
        (Evidence(dkim=("example.org",)), ("ana@example.com",), Trust.REJECTED),
        (Evidence(dmarc="pass", several_authors=True), ("ana@example.com",), Trust.REJECTED),
        (Evidence(dmarc="pass"), ("bob@example.com",), Trust.REJECTED),
        (Evidence(dmarc="pass"), ("@ample.com",), Trust.REJECTED),
        (Evidence(dmarc="fail", policy="none"), ("ana@example.com",), Trust.REJECTED),
    ],
)
def test_a_list_of_senders(evidence: Evidence, senders: tuple[str, ...], expected: Trust) -> None:
    assert trust(evidence, *senders) is expected


def test_a_user_may_let_a_sender_in_without_proof() -> None:
    def judged(evidence: Evidence) -> Trust:
        return judge(message("x", channel="email", route=Route.RECIPIENT, evidence=evidence), True, unproven=True).trust

    assert judged(Evidence()) is Trust.ALLOWED
    assert judged(Evidence(spf="fail")) is Trust.ALLOWED
    assert judged(Evidence(dmarc="fail", policy="reject")) is Trust.REJECTED


def test_a_linked_phone_needs_no_list() -> None:
    text = message("x")
    assert judge(text, False).trust is Trust.ALLOWED
    assert judge(message("x", evidence=Evidence(platform=True)), None).trust is Trust.VERIFIED


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("mail.shop.example.co.uk", "example.co.uk"),
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("co.uk", None),
        ("bücher.example", "xn--bcher-kva.example"),
        ("", None),
        ("localhost", None),
    ],
)
def test_whose_a_domain_is(domain: str, expected: str | None) -> None:
    assert organisation(domain) == expected


def test_customers_of_one_host_are_not_one_organisation() -> None:
    evidence = Evidence(spf="pass", spf_domain="evil.uk.com")
    assert trust(evidence, sender="ceo@bank.uk.com") is Trust.ALLOWED
    assert (
        trust(Evidence(spf="pass", spf_domain="evil.onmicrosoft.com"), sender="a@acme.onmicrosoft.com") is Trust.ALLOWED
    )


def test_domains_with_letters_of_their_own() -> None:
    assert trust(Evidence(spf="pass", spf_domain="strasse.de"), sender="a@straße.de") is Trust.ALLOWED
