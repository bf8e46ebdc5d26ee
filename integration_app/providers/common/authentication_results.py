"""`Authentication-Results` of a mail server that the operator named. Pure.

Anybody may write that header, so it counts only with an authserv-id that the operator named, and only where it stands
above the first `Received`: what is below came with the mail.
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


def evidence(headers: Headers, receivers: Sequence[str], author: str, several: bool) -> Evidence:
    """What `receivers` found out; nothing where none of them wrote the header.

    A value with a quotation in it is not read: the sender may have chosen what stands inside.
    """
    spf: str | None = None
    spf_domain: str | None = None
    dmarc: str | None = None
    policy: str | None = None
    dkim: list[str] = []
    for result in _results(headers, receivers):
        found = _RESULT.match(_COMMENT.sub("", result))
        if not found:
            continue
        method, word = found.group(1).lower(), found.group(2).lower()
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


def _results(headers: Headers, receivers: Sequence[str]) -> list[str]:
    rows: list[str] = []
    for name, value in headers:
        if name == "received":
            break
        if name in _NAMES and '"' not in value:
            first, *rest = re.sub(r"^\s*i=\d+;", "", value).split(";")
            if first.strip().partition(" ")[0].lower() in receivers:
                rows += rest
    return rows[:50]
