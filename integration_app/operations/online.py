"""What can only be seen from outside: does the public address lead here, does mail, do the consoles agree."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import dns.exception
import dns.resolver
import requests

from integration_app import bootstrap, mailbox
from integration_app.bootstrap import Services
from integration_app.errors import VendorError
from integration_app.mailbox.connection import Account, Connection, MailboxError
from integration_app.omi import OmiError
from integration_app.operations.checks import Check
from integration_app.providers import registry

TIMEOUT = 10
CERTIFICATE_DAYS_MIN = 10


def online(found: Services) -> Iterator[Check]:
    """Asks the network: our own address, DNS, providers' consoles. Sends nothing elsewhere."""
    yield _reaches(found)
    if found.settings.public_base_url.startswith("https:"):
        yield _certificate(found)
    if found.settings.inbox_domain:
        yield _mail(found)
    if account := bootstrap.account_of(found.settings):
        yield _mailbox(found, account)
    yield from _reads(found)
    for name, provider in found.providers.items():
        try:
            rows = list(provider.console(found.settings.public_base_url, found.settings.inbox_phone))
        except VendorError as error:
            yield Check(f"{name} console", False, f"{error} → look there by hand", warns=True)
            continue
        for ok, sentence in rows:
            yield Check(f"{name} console", ok, sentence)


def _reaches(found: Services) -> Check:
    """A nonce that only a web process on this Redis knows."""
    nonce, proof, base = secrets.token_hex(16), secrets.token_hex(16), found.settings.public_base_url
    found.health.leave(nonce, proof)
    began = found.clock()
    try:
        answer = requests.get(f"{base}/livez/{nonce}", timeout=TIMEOUT, allow_redirects=False)
    except requests.exceptions.SSLError:
        return Check("public address", False, f"{base}: its certificate is not valid → a proxy with one, such as Caddy")
    except requests.RequestException as error:
        words = f"{base} does not answer ({type(error).__name__}) → is web running, DNS set, the port open?"
        return Check("public address", False, words)
    seconds = (found.clock() - began).total_seconds()
    if answer.text != proof:
        words = f"{base} answers {answer.status_code}: something else, or on another Redis → PUBLIC_BASE_URL, the proxy"
        return Check("public address", False, words)
    return Check("public address", True, f"{base} leads here", seconds=seconds)


def _certificate(found: Services) -> Check:
    parts = urlsplit(found.settings.public_base_url)
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=TIMEOUT) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) as secure,
        ):
            ends = ssl.cert_time_to_seconds(str((secure.getpeercert() or {})["notAfter"]))
    except (OSError, KeyError, ValueError) as error:
        return Check("certificate", False, f"cannot be checked ({type(error).__name__}) → providers will not call")
    left = (datetime.fromtimestamp(ends, UTC) - found.clock()).days
    if left < CERTIFICATE_DAYS_MIN:
        return Check("certificate", False, f"ends in {left} days → have it renewed")
    return Check("certificate", True, f"valid for {left} more days")


def _mail(found: Services) -> Check:
    """Whether mail to the domain goes to a provider that is on."""
    domain = str(found.settings.inbox_domain)
    on = {name: registry.specs()[name].mail_hosts for name in found.providers}
    wanted = " or ".join(host for hosts in on.values() for host in hosts)
    try:
        answer = dns.resolver.resolve(domain, "MX", lifetime=TIMEOUT)
        rows = sorted((row.preference, str(row.exchange).rstrip(".").lower()) for row in answer)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        words = f"{domain} has no MX record, so no mail arrives → point it to {wanted or 'your provider'}"
        return Check("mail", False, words)
    except dns.exception.DNSException as error:
        return Check("mail", False, f"DNS does not answer for {domain} ({type(error).__name__})", warns=True)
    hosts = [host for _, host in rows]
    known = [host for names in on.values() for host in names]
    if all(any(f".{host}".endswith(f".{name}") for name in known) for host in hosts):
        return Check("mail", True, f"{domain} → {', '.join(hosts)}")
    hint = f" → {wanted}" if wanted else ""
    words = f"{domain} goes to {', '.join(hosts)}, and not all of that is a provider that is on{hint}"
    return Check("mail", False, words, warns=True)


def _mailbox(found: Services, account: Account) -> Check:
    """Log in, and open the folder."""
    began = found.clock()
    try:
        Connection(account).close()
    except MailboxError as error:
        return Check(mailbox.NAME, False, f"{error} → omi-inbox providers show {mailbox.NAME}")
    looked = found.mailboxes.looked_at(account.key)
    last = f"read last at {looked:%H:%M} UTC" if looked else "no mailbox process has read it yet → start one"
    seconds = (found.clock() - began).total_seconds()
    return Check(mailbox.NAME, looked is not None, f"{account.host} lets us in; {last}", seconds=seconds)


def _reads(found: Services) -> Iterator[Check]:
    """Omi's capabilities, as far as reading shows them; that it may write shows in `--live` alone."""
    enabled = [row.uid for row in found.installations.all() if row.left_at is None]
    if not enabled:
        yield Check("omi reads", False, "no user has enabled the app yet → enable it in the Omi app", warns=True)
        return
    for what, look in found.omi.reads(enabled[0]).items():
        try:
            look()
        except OmiError as error:
            yield Check(f"omi {what}", False, f"{error.reason} → give the app that action in the Omi app")
        else:
            yield Check(f"omi {what}", True, "allowed")
