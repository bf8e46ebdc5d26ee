"""Who is believed: a message's evidence and a user's list of senders → verified, allowed or rejected. Pure.

A `From` proves nothing by itself. It is believed when the provider saw SPF or DKIM pass for a domain of the same
organisation, as DMARC asks (https://www.rfc-editor.org/rfc/rfc7489#section-3.1).
"""

from __future__ import annotations

from functools import cache

from publicsuffixlist import PublicSuffixList

from integration_app.model import Evidence, InboundMessage, Route, Trust, Verdict
from integration_app.text.addresses import ascii_domain

_SHARED = (".onmicrosoft.com", ".zendesk.com", ".freshdesk.com", ".helpscoutapp.com")
"""Hosts whose customers have names below one domain, and that are not on the public list of such hosts."""


def judge(message: InboundMessage, listed: bool | None, *, unproven: bool = False) -> Verdict:
    """How far this message is believed by a user. `listed`: whether its sender is on their list; None without one.
    `unproven`: the list says that this sender needs no proof.
    """
    evidence = message.evidence
    if message.route is not Route.RECIPIENT:
        if evidence.platform and message.hints:
            return Verdict(Trust.VERIFIED, ("signed with a key of ours",))
        if evidence.platform and message.route is Route.UID:
            return Verdict(Trust.VERIFIED, ("written on the user's page",))
        if evidence.platform:
            return Verdict(Trust.VERIFIED, ("its network vouches for the sender",))
        return Verdict(Trust.ALLOWED, ("sent from a linked phone",))
    known = "it reached the private address"
    if evidence.platform:
        return Verdict(Trust.VERIFIED, (known, "signed with a key of ours"))
    if evidence.malware:
        return Verdict(Trust.REJECTED, (known, "the provider found malware in it"))
    aligned = _aligned(message.sender, evidence)
    if listed is False:
        return Verdict(Trust.REJECTED, (known, "its sender is not on the list of allowed senders"))
    if aligned:
        return Verdict(Trust.VERIFIED, (known, aligned))
    if _is_forged(evidence):
        return Verdict(Trust.REJECTED, (known, "DMARC failed, and the sender's domain asks to refuse such mail"))
    if listed and not unproven:
        words = "DMARC failed" if evidence.dmarc == "fail" else "nothing proves that it wrote this"
        return Verdict(Trust.REJECTED, (known, f"its sender is on the list, but {words}"))
    if listed:
        return Verdict(Trust.ALLOWED, (known, "the user lets this sender in without proof"))
    return Verdict(Trust.ALLOWED, (known, "nothing proves its sender"))


def _aligned(sender: str, evidence: Evidence) -> str | None:
    """The proof that the author's own organisation sent it, in words that name nobody; None without one."""
    author = organisation(sender.rpartition("@")[2]) if "@" in sender else None
    if author is None or evidence.several_authors or evidence.dmarc == "fail":
        return None
    if evidence.dmarc == "pass":
        return "DMARC passed for its sender's domain"
    if evidence.author_signed:
        return "signed by its sender's domain (DKIM)"
    if any(organisation(domain) == author for domain in evidence.dkim):
        return "signed by its sender's domain (DKIM)"
    if evidence.spf == "pass" and evidence.spf_domain and organisation(evidence.spf_domain) == author:
        return "sent from a server of its sender's domain (SPF)"
    return None


def _is_forged(evidence: Evidence) -> bool:
    return evidence.dmarc == "fail" and evidence.policy in ("reject", "quarantine")


def organisation(domain: str) -> str | None:
    """The registered domain: `mail.shop.example.co.uk` belongs to `example.co.uk`."""
    name = ascii_domain(domain)
    if name and name.endswith(_SHARED):
        return name
    return _suffixes().privatesuffix(name) if name else None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
