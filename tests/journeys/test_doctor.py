"""`doctor --online` and `--live` on the whole running stack; and that every line of doctor that fails says what to do."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.resolver
import dns.rrset
import pytest
from click.testing import CliRunner

from integration_app.cli import main
from tests.journeys.conftest import UID, Journey
from tests.receiver import Receiver

ACCOUNT = "AC" + "0" * 32


def doctor(*words: str) -> dict[str, dict[str, Any]]:
    """The checks by name; of several of one name the last that failed."""
    said = CliRunner().invoke(main, ["doctor", "--json", *words]).stdout
    found: dict[str, dict[str, Any]] = {}
    for check in json.loads(said):
        if check["ok"] is False:
            assert "→" in check["detail"], check
        if check["name"] not in found or not check["ok"]:
            found[check["name"]] = check
    return found


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """A name server of our own: domain → hosts of its MX records."""
    hosts: dict[str, list[str]] = {}

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            asked = dns.message.from_wire(data)
            answer = dns.message.make_response(asked)
            name = asked.question[0].name
            rows = [f"10 {host}." for host in hosts.get(str(name).rstrip("."), [])]
            if rows:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *rows))
            sock.sendto(answer.to_wire(), self.client_address)

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.server_address[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield hosts
        server.shutdown()


def test_the_public_address_leads_here_or_not(
    journey: Journey, zone: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    zone["in.example.com"] = ["inbound.postmarkapp.com"]
    found = doctor("--online")
    assert found["public address"]["ok"], found["public address"]
    assert found["public address"]["seconds"] > 0
    assert found["mail"]["ok"], found["mail"]
    assert found["omi reads conversations"]["ok"]
    assert found["omi reads memories"]["ok"]

    with Receiver() as other:  # says yes to everything
        monkeypatch.setenv("PUBLIC_BASE_URL", other.url)
        assert "something else" in doctor("--online")["public address"]["detail"]

    monkeypatch.setenv("PUBLIC_BASE_URL", journey.stack.sandbox_url)
    zone["in.example.com"] = ["mx.elsewhere.example"]
    found = doctor("--online")
    assert "answers 404" in found["public address"]["detail"]
    assert found["mail"]["warns"]
    assert "mx.elsewhere.example" in found["mail"]["detail"]

    monkeypatch.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:1")
    zone.clear()
    journey.sandbox.app(actions=["create_conversation", "read_conversations"])
    found = doctor("--online")
    assert "does not answer" in found["public address"]["detail"]
    assert "has no MX record" in found["mail"]["detail"]
    assert not found["omi reads memories"]["ok"]
    assert found["omi reads conversations"]["ok"]


@pytest.mark.parametrize(
    ("number", "ok", "words"),
    [
        ({"sms_url": "HOOK#rc=3", "sms_method": "POST"}, True, "is sent here"),
        ({"sms_url": "HOOK", "sms_method": "GET"}, False, "by GET"),
        ({"sms_url": "https://elsewhere.example/sms", "sms_method": "POST"}, False, "go elsewhere"),
        ({"sms_url": "", "sms_method": "POST"}, False, "no webhook is set"),
        (None, False, "no number of this account"),
    ],
)
def test_a_console_that_tells_is_asked(
    number: dict[str, str] | None, ok: bool, words: str, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from integration_app import bootstrap

    hook = f"{settings['PUBLIC_BASE_URL']}/webhooks/twilio"
    with Receiver() as vendor:
        monkeypatch.setenv("TWILIO_API_BASE_URL", vendor.url)
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
        rows = [{name: value.replace("HOOK", hook) for name, value in number.items()}] if number else []
        path = f"/2010-04-01/Accounts/{ACCOUNT}"
        vendor.answers[f"{path}.json"] = b"{}"
        vendor.answers[f"{path}/IncomingPhoneNumbers.json"] = json.dumps({"incoming_phone_numbers": rows}).encode()
        provider = bootstrap.read_settings()[1]["twilio"]
        found = list(provider.console(settings["PUBLIC_BASE_URL"], "+15550009999"))
    assert found[0][0], "the account"
    assert found[-1][0] == ok
    assert words in found[-1][1]


def test_a_canary_goes_through_everything_and_is_read_back(journey: Journey) -> None:
    found = doctor("--live", UID)
    for stretch in ("canary", "canary waits", "canary to Omi", "canary read back"):
        assert found[stretch]["ok"], found[stretch]
        assert found[stretch]["seconds"] >= 0
    assert "A test of Omi Inbox" in journey.held()


def test_a_canary_that_gets_stuck_says_where(journey: Journey) -> None:
    assert "no such user" in doctor("--live", "nobody")["canary"]["detail"]
    journey.stack.stop_one("web")
    assert "does not answer" in doctor("--live", UID)["canary"]["detail"]
