"""Quarantine, preferences, automatic mail, long texts: through the real store and into the sandbox."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import Result
from redis import Redis

from integration_app.bootstrap import Services
from integration_app.model import Content, Evidence, Kind, Preferences, Route
from integration_app.operations.messages import deliver_whole
from integration_app.store import keys
from tests.conftest import Cli, Clock
from tests.integration.helpers import link, run_to_rest, state, text
from tests.sandbox_control import SandboxControl
from tests.unit.factories import message

FORGED = Evidence(dmarc="fail", policy="reject")
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _people(services: Services, sandbox: SandboxControl) -> None:
    sandbox.enable("u", "v")
    link(services, "u")
    link(services, "v", phone="+15550002222")


def address(services: Services, uid: str, label: str = "") -> str:
    found = services.installations.get(uid)
    assert found is not None
    return f"{found.inbox_token}{label}@in.example.com"


def mail(services: Services, words: str, *to: str, **more: object) -> str:
    number = next(_numbers)
    arrived = message(
        "",
        channel="email",
        route=Route.RECIPIENT,
        sender="ana@example.com",
        recipients=to,
        event_id=f"mail{number}",
        dedupe_keys=(f"mail{number}",),
        content=Content(text=words, subject="Hi"),
    )
    return services.intake.accept(replace(arrived, received_at=services.clock(), **more)).message_id  # type: ignore[arg-type]


def output(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_forged_mail_is_held_shown_and_released(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    held = mail(services, "Pay at once", address(services, "u"), evidence=FORGED)
    run_to_rest(services, clock)
    assert (state(services, held, "u"), sandbox.calls()) == ("quarantined", [])
    (row,) = json.loads(output(cli("quarantine", "--json")))
    assert (row["id"], row["uid"]) == (held, "u")
    assert "DMARC failed" in row["why"]
    assert "Pay at once" not in str(row)
    output(cli("quarantine", "release", held, "--uid", "u"))
    run_to_rest(services, clock)
    assert state(services, held, "u") == "done"
    assert "Pay at once" in sandbox.texts("u")[0]
    assert json.loads(output(cli("quarantine", "--json"))) == []
    story = output(cli("messages", "show", held))
    assert "sender rejected" in story
    assert "released (operator)" in story


def test_one_mail_is_held_for_one_and_delivered_to_the_other(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.prefer("v", Preferences(senders=("bob@example.com",)))
    both = mail(services, "Hello both", address(services, "u"), address(services, "v"))
    run_to_rest(services, clock)
    assert (state(services, both, "u"), state(services, both, "v")) == ("done", "quarantined")
    services.quarantine.release(both, "v", by="test", now=clock())
    run_to_rest(services, clock)
    assert (len(sandbox.texts("u")), len(sandbox.texts("v"))) == (1, 1)


def test_what_nobody_releases_is_dropped_after_seven_days(services: Services, redis: Redis, clock: Clock) -> None:
    held = mail(services, "x", address(services, "u"), evidence=FORGED)
    clock.pass_time(days=6.9)
    services.retention.sweep(clock())
    assert state(services, held, "u") == "quarantined"
    assert redis.ttl(keys.message(held)) == -1, "a held message does not expire"
    clock.pass_time(days=0.2)
    services.retention.sweep(clock())
    assert state(services, held, "u") == "dropped"
    assert redis.ttl(keys.message(held)) > 0
    assert not services.quarantine.release(held, "u", by="test", now=clock())


def test_releasing_twice_delivers_once(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    held = mail(services, "x", address(services, "u"), evidence=FORGED)
    done = [services.quarantine.release(held, "u", by="test", now=clock()) for _ in range(2)]
    run_to_rest(services, clock)
    assert (done, len(sandbox.texts("u"))) == ([True, False], 1)


def test_dropping_by_hand(services: Services, clock: Clock, cli: Cli) -> None:
    held = mail(services, "x", address(services, "u"), evidence=FORGED)
    output(cli("quarantine", "drop", held, "--uid", "u"))
    assert state(services, held, "u") == "dropped"
    assert cli("quarantine", "release", held, "--uid", "u").exit_code == 3


# --- preferences ------------------------------------------------------------------------------------------------


def test_preferences_by_the_command_line(services: Services, cli: Cli) -> None:
    cli(
        "prefer",
        "--uid",
        "u",
        "--import-as",
        "memories",
        "--language",
        "pt",
        "--allow",
        "@Example.com",
        "--automatic-mail",
    )
    found = services.installations.get("u")
    assert found is not None
    assert found.preferences == Preferences(Kind.MEMORIES, "pt", ("@example.com",), automatic=True)
    output(
        cli(
            "prefer", "--uid", "u", "--import-as", "unset", "--allow-everybody", "--no-automatic-mail", "--language", ""
        )
    )
    found = services.installations.get("u")
    assert found is not None
    assert found.preferences == Preferences()
    for words in (["--allow", "nobody"], ["--language", "portuguese!"]):
        assert cli("prefer", "--uid", "u", *words).exit_code == 2


def test_texts_become_what_the_user_prefers(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    services.installations.prefer("u", Preferences(import_as=Kind.MEMORIES, language="pt"))
    text(services, "Mara has the key #home")
    text(services, "note: a long thought")
    run_to_rest(services, clock)
    assert [row["content"] for row in sandbox.memories("u")] == ["Mara has the key"]
    (conversation,) = sandbox.conversations("u")
    assert conversation["external_data"]["text"] == "Me: a long thought"
    assert conversation["language"] == "pt"


def test_the_address_says_what_a_mail_becomes(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    mail(services, "The key is with Mara", address(services, "u", "+memory"), address(services, "v"))
    run_to_rest(services, clock)
    assert ([row["content"] for row in sandbox.memories("u")], sandbox.memories("v")) == (["The key is with Mara"], [])
    assert len(sandbox.texts("v")) == 1


# --- nobody's own words -----------------------------------------------------------------------------------------


def test_automatic_mail_is_recorded_and_not_forwarded(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    bounce = mail(services, "Undeliverable", address(services, "u"), envelope_from="")
    run_to_rest(services, clock)
    assert (state(services, bounce, "u"), sandbox.calls()) == ("dropped", [])
    assert "a bounce" in output(cli("messages", "show", bounce))
    services.installations.prefer("u", Preferences(automatic=True))
    mail(services, "Wanted after all", address(services, "u"), envelope_from="")
    run_to_rest(services, clock)
    assert len(sandbox.texts("u")) == 1


# --- long texts -------------------------------------------------------------------------------------------------


def test_a_long_mail_arrives_whole_in_parts_at_each_uid(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    paragraphs = [f"Paragraph {number}. " + "word " * 400 for number in range(120)]
    first = mail(services, "\n\n".join(paragraphs), address(services, "u"), address(services, "v"))
    run_to_rest(services, clock)
    for uid in ("u", "v"):
        texts = sorted(sandbox.texts(uid), key=lambda said: said.index("[Part") and said[said.index("[Part") :][:10])
        assert len(texts) == 3
        assert all(len(said) <= 100_000 for said in texts)
        assert all("Subject: Hi" in said for said in texts)
        words = " ".join(said.partition("of 3]")[2] for said in texts).split()
        assert words == " ".join(paragraphs).split()
        assert [state(services, f"{first}{part}", uid) for part in ("", "p2", "p3")] == ["done"] * 3


def test_parts_of_a_held_mail_are_held_and_released_too(
    services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    services.installations.prefer("v", Preferences(senders=("bob@example.com",)))
    first = mail(services, "word " * 30_000, address(services, "u"), address(services, "v"))
    run_to_rest(services, clock)
    assert state(services, f"{first}p2", "v") == "quarantined"
    assert [whose for _, whose, _ in services.quarantine.held()] == ["v", "v"]
    assert services.quarantine.release(first, "v", by="test", now=clock())
    run_to_rest(services, clock)
    assert (len(sandbox.texts("u")), len(sandbox.texts("v"))) == (2, 2)


def test_a_call_line_by_line_is_one_conversation(services: Services, sandbox: SandboxControl, clock: Clock) -> None:
    for number in range(8):
        text(services, f"line {number}", channel="call", speaker="Mara" if number % 2 else None)
        clock.pass_time(seconds=40)
    run_to_rest(services, clock, within=timedelta(hours=1))
    (conversation,) = sandbox.conversations("u")
    said = conversation["external_data"]
    assert (said["text_source"], said["text_source_spec"]) == ("audio_transcript", "phone_call")
    assert said["text"].split("\n\n")[:2] == ["Me: line 0", "Mara: line 1"]


def test_what_comes_from_our_own_addresses_goes_round_in_circles(
    services: Services, sandbox: SandboxControl, cli: Cli
) -> None:
    loop = mail(services, "round", address(services, "u"), envelope_from=address(services, "v"))
    assert sandbox.calls() == []
    assert "one of our own addresses" in output(cli("messages", "show", loop))
    (row,) = json.loads(output(cli("messages", "--state", "recorded", "--json")))
    assert row["id"] == loop


LISTED = [
    ("ana@example.com", ("@example.com",), True),
    ("ana@example.com", ("ana@example.com",), True),
    ("Ana@Example.COM", ("ANA@example.com",), True),
    ("ana@example.com", ("bob@example.com", "ana@example.com"), True),
    ("ana@notexample.com", ("@example.com",), False),
    ("ana@mail.example.com", ("@example.com",), False),
    ("example.com@evil.example.org", ("@example.com",), False),
    ("na@example.com", ("ana@example.com",), False),
    ("ana@example.com", ("ana@example.com.evil.example.org",), False),
    ("ana@xn--bcher-kva.de", ("@bücher.de",), True),
    ("ana@bücher.de", ("ana@xn--bcher-kva.de",), True),
]


@pytest.mark.parametrize(("sender", "senders", "wanted"), LISTED)
def test_who_is_on_a_list_of_senders(services: Services, sender: str, senders: tuple[str, ...], wanted: bool) -> None:
    """Looked up where the message is accepted, in Redis; the list is kept there as it is compared."""
    link(services, "u")
    services.installations.prefer("u", Preferences(senders=senders))
    installation = services.installations.get("u")
    assert installation is not None
    arrived = message(
        "hello", channel="email", route=Route.RECIPIENT, sender=sender, received_at=services.clock(),
        recipients=(f"{installation.inbox_token}@in.example.com",), evidence=Evidence(dmarc="pass"),
    )  # fmt: skip
    accepted = services.intake.accept(arrived)
    assert state(services, accepted.message_id, "u") == ("waiting" if wanted else "quarantined")


@pytest.mark.parametrize(
    ("entry", "evidence", "wanted"),
    [
        ("ana@bank.example", Evidence(), False),
        ("@bank.example", Evidence(spf="pass", spf_domain="evil.example"), False),
        ("ana@bank.example", Evidence(dkim=("bank.example",)), True),
        ("~ana@bank.example", Evidence(), True),
        ("~@bank.example", Evidence(), True),
        ("~bob@bank.example", Evidence(dmarc="pass"), False),
        ("~ana@bank.example", Evidence(dmarc="fail", policy="reject"), False),
    ],
)
def test_a_listed_sender_needs_proof_unless_the_user_waives_it(
    services: Services, entry: str, evidence: Evidence, wanted: bool
) -> None:
    link(services, "u")
    services.installations.prefer("u", Preferences(senders=(entry,)))
    (token,) = services.installations.tokens("u")
    arrived = message(
        "hello", channel="email", route=Route.RECIPIENT, sender="ana@bank.example", received_at=services.clock(),
        recipients=(f"{token}@in.example.com",), evidence=evidence,
    )  # fmt: skip
    accepted = services.intake.accept(arrived)
    assert state(services, accepted.message_id, "u") == ("waiting" if wanted else "quarantined")


def test_lists_and_leaves_of_earlier_versions_are_filled_in_once(
    services: Services, redis: Redis, clock: Clock
) -> None:
    link(services, "u")
    services.installations.prefer("u", Preferences(senders=("bob@example.com",)))
    services.installations.mark_left("u", now=clock())
    redis.hdel(keys.installation("u"), "senders")
    redis.delete(keys.LEFT)
    held = text(services, "hello", channel="email", route=Route.RECIPIENT, sender="ana@example.com",
                recipients=(f"{services.installations.tokens('u')[0]}@in.example.com",))  # fmt: skip
    assert state(services, held, "u") == "quarantined", "until then nobody is let in"
    services.installations.complete()
    assert redis.hget(keys.installation("u"), "senders") == "\nbob@example.com\n"
    assert services.installations.gone(before=clock() + timedelta(days=1)) == ["u"]


REPLY = "Friday it is.\n\nOn Mon, Nov 16, 2026 at 9:14 AM Sam <sam@example.com> wrote:\n> Shall we meet?\n> Sam\n"


def test_what_was_cut_stays_and_can_be_seen(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    """Nothing cut is gone: hidden, not delivered, and shown when asked for."""
    to = address(services, "u")
    reply = mail(services, REPLY, to)
    run_to_rest(services, clock)
    assert "Shall we meet" not in sandbox.texts("u")[0]
    assert "[history hidden, 3 lines]" in output(cli("messages", "text", reply))
    assert "> Shall we meet?" in output(cli("messages", "text", reply, "--whole"))


def test_the_whole_mail_is_delivered_once_with_what_it_answers(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    reply = mail(services, REPLY, address(services, "u"))
    run_to_rest(services, clock)
    assert deliver_whole(services, reply, "u")
    assert deliver_whole(services, reply, "u"), "asking twice delivers it once"
    run_to_rest(services, clock)
    own, whole = sandbox.texts("u")
    assert "Shall we meet?" not in own
    assert "Shall we meet?" in whole
    assert output(cli("messages", "show", reply)).count("asked for the whole mail") == 1


def test_a_user_may_keep_the_history_of_a_sender(
    services: Services, sandbox: SandboxControl, clock: Clock, cli: Cli
) -> None:
    to = address(services, "u")
    output(cli("prefer", "--uid", "u", "--keep-history", "@example.com"))
    mail(services, REPLY, to)
    run_to_rest(services, clock)
    assert "Friday it is." in sandbox.texts("u")[0]
    assert "> Shall we meet?" in sandbox.texts("u")[0]


@pytest.mark.parametrize("entry", ["boss@corp.example", "~boss@corp.example", "@corp.example"])
def test_an_address_with_spaces_in_it_names_no_other(services: Services, entry: str) -> None:
    """`"a boss@corp.example b"@evil.example` is an address of evil.example."""
    link(services, "u")
    services.installations.prefer("u", Preferences(senders=(entry,)))
    (token,) = services.installations.tokens("u")
    arrived = message(
        "hello", channel="email", route=Route.RECIPIENT, sender='"a boss@corp.example b"@evil.example',
        received_at=services.clock(), recipients=(f"{token}@in.example.com",), evidence=Evidence(dmarc="pass"),
    )  # fmt: skip
    assert state(services, services.intake.accept(arrived).message_id, "u") == "quarantined"
