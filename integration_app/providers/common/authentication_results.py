"""`Authentication-Results` of a mail server that the operator named. Pure.

A sender may write that header, so it counts only with an authserv-id that the operator named, and only where it stands
above the first `Received`: what is below came with the mail. Where a mail is read from a mailbox, hops within the
provider's own house stand above it (Gmail's `Received: by …`, without `from`), and the server that took the mail in
wrote its results below its own `Received`: of that block the topmost counts.
https://www.rfc-editor.org/rfc/rfc8601
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from integration_app.model import Evidence
from integration_app.providers.common.email_headers import Headers, domain_of

_NAMES = ("authentication-results", "arc-authentication-results")
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_RESULT = re.compile(r"\s*(spf|dkim|dmarc)\s*=\s*([a-z]+)", re.IGNORECASE)
_PROPERTY = re.compile(r"(?:smtp|header)\.([a-z]+)\s*=\s*\"?([^\s;\"]{1,320})", re.IGNORECASE)
_POLICY = re.compile(r"\bp=([a-z]+)", re.IGNORECASE)


def evidence(headers: Headers, receivers: Sequence[str], author: str, several: bool, *, hops: int = 0) -> Evidence:
    """What `receivers` found out; nothing where none of them wrote the header. `hops`: how many there may be above it.

    A value with a quotation in it is not read: the sender may have chosen what stands inside.
    """
    spf: str | None = None
    spf_domain: str | None = None
    dmarc: str | None = None
    policy: str | None = None
    dkim: list[str] = []
    found = _results(headers, receivers)
    if found is None:
        found = _results(_below_hops(headers, receivers, hops), receivers)
    for result in found or ():
        said = _RESULT.match(_COMMENT.sub("", result))
        if not said:
            continue
        method, word = said.group(1).lower(), said.group(2).lower()
        properties = {name.lower(): value for name, value in _PROPERTY.findall(_COMMENT.sub("", result))}
        if method == "spf" and spf is None:
            spf, spf_domain = word, domain_of(properties.get("mailfrom"))
        elif method == "dkim" and word == "pass":
            dkim.append((properties.get("d") or properties.get("i", "").rpartition("@")[2]).lower())
        elif method == "dmarc" and dmarc is None and _is_about(properties, author):
            asked = _POLICY.search(result)
            dmarc, policy = word, asked.group(1).lower() if asked else None
    return Evidence(
        spf=spf,
        spf_domain=spf_domain,
        dkim=tuple(domain for domain in dkim if domain)[:20],
        dmarc=dmarc,
        policy=policy,
        several_authors=several,
    )


def _is_about(properties: dict[str, str], author: str) -> bool:
    """DMARC speaks of the domain of one author: it must be this one."""
    asked = properties.get("from", "").rpartition("@")[2].lower()
    return not asked or asked == domain_of(author)


def _below_hops(headers: Headers, receivers: Sequence[str], hops: int) -> Headers:
    """What the receiving server wrote below its own `Received`; nothing where that is not to be found."""
    for number, (name, value) in enumerate(headers):
        if name != "received":
            continue
        taken_in = re.match(r"from\s.*?\sby\s+([^\s;]{1,255})", value, re.IGNORECASE | re.DOTALL)
        if taken_in and hops:
            rest = headers[number + 1 :]
            first = next((n for n, (other, _) in enumerate(rest) if other in _NAMES), len(rest))
            end = next((n for n, (other, _) in enumerate(rest) if other == "received"), len(rest))
            return rest[: min(first + 1, end)] if taken_in.group(1).lower() in receivers else ()
        hops -= 1
        if taken_in or hops <= 0 or not value.lower().startswith("by "):
            return ()
    return ()


def _results(headers: Headers, receivers: Sequence[str]) -> list[str] | None:
    """Above the first `Received`; None where none of them wrote any, readable or not."""
    rows: list[str] = []
    is_there = False
    for name, value in headers:
        if name == "received":
            break
        if name in _NAMES:
            first, *rest = re.sub(r"^\s*i=\d+;", "", value).split(";")
            if first.strip().partition(" ")[0].lower() in receivers:
                is_there = True
                rows += rest if '"' not in value else []
    return rows[:50] if is_there else None
