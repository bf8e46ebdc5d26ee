"""A mailbox, read from a real IMAP server: each mail once, whatever the server does in between."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from integration_app.bootstrap import Services, account_of
from integration_app.errors import SettingsError
from integration_app.local.imap import USER, ImapServer, imap_server
from integration_app.mailbox.connection import Account, Connection, LoginRefused, MailboxError
from integration_app.mailbox.message import message_of, recipients_of
from integration_app.mailbox.reader import BYTES_MAX
from integration_app.model import MessageState
from integration_app.providers.common.email_headers import head_of
from tests.conftest import START, Cli, Clock
from tests.integration.helpers import run_to_rest, state
from tests.sandbox_control import SandboxControl


@pytest.fixture(scope="module")
def server() -> Iterator[ImapServer]:
    with imap_server() as made:
        yield made


@pytest.fixture
def box(server: ImapServer) -> ImapServer:
    """The server with empty folders."""
    client = server.client()
    for folder in ("Omi", "For Omi", "INBOX"):
        if folder != "INBOX":
            client.delete(f'"{folder}"')
        else:
            _, found = client.select(folder)
            if found[0] != b"0":
                client.store("1:*", "+FLAGS", "\\Deleted")
                client.expunge()
    client.create('"For Omi"')
    client.logout()
    return server


def mail(words: str, to: str = "", **more: str) -> bytes:
    made = EmailMessage()
    made["From"], made["To"] = more.pop("sender", "ana@example.com"), to or "sam@example.com"
    made["Subject"], made["Message-ID"] = "A letter", more.pop("message_id", f"<{abs(hash(words))}@example.com>")
    made["Date"] = "Fri, 20 Nov 2026 07:50:00 +0000"
    for name, value in more.items():
        made[name.replace("_", "-")] = value
    made.set_content(words)
    return bytes(made)


def ready(build: Callable[..., Services], box: ImapServer, **more: str) -> tuple[Services, str]:
    """Services that read this mailbox, and the private address of `u`."""
    services = build(**box.settings, INBOX_DOMAIN="", **more)
    installation = services.installations.add("u", now=services.clock())
    return services, services.settings.inbox_address(installation.inbox_token) or ""


def look(services: Services) -> int:
    account = account_of(services.settings)
    assert account is not None
    connection = Connection(account)
    try:
        assert services.mailbox is not None
        return services.mailbox.step(connection)
    finally:
        connection.close()


def validity(services: Services) -> int:
    account = account_of(services.settings)
    assert account is not None
    connection = Connection(account)
    connection.close()
    return connection.validity


def subjects(server: ImapServer, folder: str) -> int:
    client = server.client()
    status, found = client.select(f'"{folder}"')
    client.logout()
    return int(found[0] or 0) if status == "OK" else -1


def test_a_mail_to_a_private_address_is_in_omi_and_put_away(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, box: ImapServer
) -> None:
    services, address = ready(build, box, MAILBOX_DONE_FOLDER="Omi")
    sandbox.enable("u")
    assert address.startswith("omi+")
    assert address.endswith("@mail.example.com")
    look(services)
    box.put(mail("The tomatoes can go out.", address))
    box.put(mail("A bill that is nobody's business"))
    assert look(services) == 1
    assert look(services) == 0
    assert (subjects(box, "INBOX"), subjects(box, "Omi")) == (1, 1)
    run_to_rest(services, clock)
    (said,) = sandbox.texts("u")
    assert "The tomatoes can go out." in said


def test_without_a_folder_it_gets_a_mark_and_stays_unread(build: Callable[..., Services], box: ImapServer) -> None:
    services, address = ready(build, box)
    look(services)
    box.put(mail("one", address))
    assert look(services) == 1
    client = box.client()
    client.select("INBOX")
    _, rows = client.fetch("1", "(FLAGS)")
    client.logout()
    assert "$OmiInbox" in str(rows)
    assert "Seen" not in str(rows)


def test_old_mail_of_an_inbox_is_left_alone(build: Callable[..., Services], box: ImapServer, clock: Clock) -> None:
    services, address = ready(build, box, MAILBOX_UID="u")
    from datetime import UTC, datetime

    clock.now = datetime.now(UTC) + timedelta(hours=1)  # the server has a clock of its own
    box.put(mail("years ago", address))
    assert look(services) == 0
    assert services.inbox.count() == 0


def test_a_folder_of_ones_own_is_taken_whole_for_one_user(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box, MAILBOX_UID="u", MAILBOX_FOLDER="For Omi")
    for number in range(5):
        box.put(mail(f"newsletter {number}", List_Id="<x.example.com>"), '"For Omi"')
    assert look(services) == 5
    assert services.inbox.count() == 5


def test_numbers_that_begin_anew_double_nothing(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box, MAILBOX_UID="u", MAILBOX_FOLDER="For Omi")
    for number in range(3):
        box.put(mail(f"letter {number}"), '"For Omi"')
    look(services)
    client = box.client()
    client.select('"For Omi"')
    client.store("1:*", "-FLAGS", "$OmiInbox")  # as if the marks had gone too
    client.logout()
    before = validity(services)
    box.number_anew()
    assert validity(services) != before
    assert look(services) == 3  # looked at once more
    assert services.inbox.count() == 3  # and known


def test_a_crash_before_it_is_put_away_doubles_nothing(
    build: Callable[..., Services], box: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, address = ready(build, box, MAILBOX_DONE_FOLDER="Omi")
    look(services)
    box.put(mail("once", address))

    def breaks(self: Connection, uid: int) -> None:
        raise MailboxError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "put_away", breaks)
        for _ in range(3):
            with pytest.raises(MailboxError):
                look(services)
    assert services.inbox.count() == 1
    look(services)
    assert services.inbox.count() == 1
    assert (subjects(box, "INBOX"), subjects(box, "Omi")) == (0, 1)


def test_two_processes_at_once_double_nothing(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box, MAILBOX_UID="u", MAILBOX_FOLDER="For Omi", MAILBOX_DONE_FOLDER="Omi")
    for number in range(20):
        box.put(mail(f"letter {number}"), '"For Omi"')
    wrong: list[BaseException] = []

    def reads() -> None:
        for _ in range(4):
            try:
                look(services)
            except MailboxError:
                continue
            except BaseException as error:  # noqa: BLE001 - told below
                wrong.append(error)

    both = [threading.Thread(target=reads) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert wrong == []
    assert services.inbox.count() == 20
    assert (subjects(box, "For Omi"), subjects(box, "Omi")) == (0, 20)


def test_what_cannot_be_used_is_told_and_not_tried_for_ever(
    build: Callable[..., Services], box: ImapServer, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    services, _ = ready(build, box)
    look(services)
    box.put(mail("for somebody", "omi+zzzzzzzzzz234567@mail.example.com"))
    assert look(services) == 0
    (row,) = services.refusals.latest("mailbox", now=services.clock())
    assert row.outcome == "unknown recipient"
    monkeypatch.setattr("integration_app.mailbox.reader.BYTES_MAX", 100)
    services, address = ready(build, box)
    box.put(mail("x" * 500, address))
    assert look(services) == 0
    assert services.refusals.latest("mailbox", now=services.clock())[0].outcome == "too large"
    assert look(services) == 0
    assert BYTES_MAX == 50_000_000
    assert "mailbox" in cli("providers").stdout
    assert "app password" in cli("providers", "show", "mailbox").stdout


def test_a_uid_that_is_not_set_up_loses_no_mail(build: Callable[..., Services], box: ImapServer) -> None:
    services = build(**box.settings, INBOX_DOMAIN="", MAILBOX_UID="later", MAILBOX_FOLDER="For Omi")
    box.put(mail("early"), '"For Omi"')
    with pytest.raises(MailboxError, match="later is not set up"):
        look(services)
    services.installations.add("later", now=services.clock())
    assert look(services) == 1


def test_a_wrong_password_and_a_wrong_folder_are_told(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box)
    good = account_of(services.settings)
    assert good is not None
    with pytest.raises(LoginRefused, match="refuses MAILBOX_USER or MAILBOX_PASSWORD") as refused:
        Connection(Account(good.host, good.port, good.user, "wrong-secret"))
    assert "wrong-secret" not in str(refused.value)
    assert "wrong-secret" not in repr(Account(good.host, good.port, good.user, "wrong-secret"))
    with pytest.raises(MailboxError, match="no folder Nowhere"):
        Connection(Account(good.host, good.port, good.user, good.password, folder="Nowhere"))
    with pytest.raises(MailboxError, match="does not do what it is asked"):
        Connection(Account("127.0.0.1", 1, "u", "p"))
    with pytest.raises(SettingsError, match="MAILBOX_PASSWORD"):
        build(MAILBOX_HOST="imap.example.com", MAILBOX_USER="u@example.com", MAILBOX_PASSWORD="")


@pytest.mark.parametrize("capability", ["IMAP4rev1", "IMAP4rev1 UIDPLUS", "IMAP4rev1 MOVE IDLE"])
def test_a_server_that_can_do_less_is_used_as_far_as_it_goes(build: Callable[..., Services], capability: str) -> None:
    with imap_server(capability) as made:
        can_move = "MOVE" in capability or "UIDPLUS" in capability
        services, address = ready(build, made, **({"MAILBOX_DONE_FOLDER": "Omi"} if can_move else {}))
        look(services)
        made.put(mail("hello", address))
        assert look(services) == 1
        assert look(services) == 0
        assert services.inbox.count() == 1
        if can_move:
            assert (subjects(made, "INBOX"), subjects(made, "Omi")) == (0, 1)
        else:
            services, address = ready(build, made, MAILBOX_DONE_FOLDER="Omi")
            made.put(mail("again", address))
            with pytest.raises(MailboxError, match="neither MOVE nor UID EXPUNGE"):
                look(services)


def test_verdicts_count_of_the_server_that_is_named(
    build: Callable[..., Services], box: ImapServer, clock: Clock
) -> None:
    results = "mx.mail.example.com; dmarc=pass header.from=example.com"
    for names, level in (("", "allowed"), ("mx.mail.example.com", "verified")):
        services, address = ready(build, box, MAILBOX_AUTHSERV_IDS=names)
        look(services)
        box.put(b"Authentication-Results: " + results.encode() + b"\r\n" + mail(f"proof {level}", address))
        clock.now += timedelta(seconds=1)
        assert look(services) == 1
        (row,) = services.timeline.latest(limit=1)
        story = services.timeline.show(row["id"])
        assert story is not None
        assert story["events"][0]["trust"]["u"]["level"] == level


def test_what_is_over_a_users_limit_waits_in_the_mailbox(
    build: Callable[..., Services], box: ImapServer, clock: Clock
) -> None:
    services, address = ready(build, box, SENDER_MESSAGES_PER_MINUTE="2")
    look(services)
    for number in range(3):
        box.put(mail(f"letter {number}", address))
    with pytest.raises(MailboxError, match="may not have more"):
        look(services)
    assert services.inbox.count() == 2
    clock.now += timedelta(minutes=1)
    assert look(services) == 1
    assert services.inbox.count() == 3


def test_a_mail_after_another_is_noticed_while_the_connection_stays(
    build: Callable[..., Services], box: ImapServer
) -> None:
    services, address = ready(build, box)
    account = account_of(services.settings)
    assert account is not None
    assert services.mailbox is not None
    connection = Connection(account)
    assert connection.tells
    services.mailbox.step(connection)
    threading.Timer(0.3, box.put, [mail("while it waits", address)]).start()
    connection.wait(20, lambda: False)
    assert services.mailbox.step(connection) == 1
    connection.close()


# --- samples: what mailboxes hold -----------------------------------------------------------------------------

TOKEN = "abcdefghij234567"
TO = f"omi+{TOKEN}@mail.example.com"
HEADS = {
    "to": (f"To: {TO}", True),
    "to with a name": (f"To: My Omi <{TO.upper()}>", True),
    "cc": (f"To: a@example.com\nCc: b@example.com, {TO}", True),
    "bcc": (f"Bcc: {TO}", True),
    "delivered-to": (f"To: list@example.com\nDelivered-To: {TO}", True),
    "x-original-to": (f"X-Original-To: {TO}", True),
    "envelope-to": (f"Envelope-To: {TO}", True),
    "forwarded": (f"X-Forwarded-To: {TO}", True),
    "folded": (f"To: a@example.com,\n {TO}", True),
    "with a wish": (f"To: omi+{TOKEN}+memory@mail.example.com", True),
    "wish first": (f"To: omi+memory+{TOKEN}@mail.example.com", True),
    "second of many": (f"To: {', '.join(f'p{n}@example.com' for n in range(40))}, {TO}", True),
    "quoted name with a comma": (f'To: "Omi, mine" <{TO}>', True),
    "group": (f"To: friends: a@example.com, {TO};", True),
    "none": ("Subject: hello", False),
    "nobody's": ("To: sam@example.com", False),
    "in the subject alone": (f"Subject: {TO}", False),
    "in a comment": (f"To: a@example.com ({TO})", False),
    "in a name": (f'To: "{TO}" <a@example.com>', False),
    "too short": ("To: omi+abc@mail.example.com", False),
    "below the head": (f"Subject: x\n\nTo: {TO}", False),
    "broken": ("To: <<<>>>,,@", False),
    "empty": ("", False),
    "odd bytes": (f"To: \udcff <{TO}>", True),
    "another case": (f"TO: {TO}", True),
    "long": (f"X-Long: {'x' * 20_000}\nTo: {TO}", True),
}


@pytest.mark.parametrize(("head", "is_found"), HEADS.values(), ids=HEADS)
def test_whom_a_mail_is_for(head: str, is_found: bool) -> None:
    from integration_app.store.installations import inbox_tokens

    raw = head.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n\r\nwords\r\n"
    found = [token for address in recipients_of(head_of(raw)) for token in inbox_tokens(address)]
    assert (TOKEN in found) == is_found


def test_spoiled_mails_are_read_or_refused_and_nothing_else() -> None:
    chance = random.Random(5)  # noqa: S311 - the same every time
    raw = mail("words to spoil", TO)
    for _ in range(2000):
        spoilt = bytearray(raw)
        for _ in range(chance.randrange(1, 8)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        made: Any = message_of(bytes(spoilt), place="p", recipients=[TO], receivers=["x"], received_at=START)
        assert made.event_id
        assert len(made.dedupe_keys) == 2


def test_a_parked_mail_of_the_mailbox_is_like_any_other(
    build: Callable[..., Services], sandbox: SandboxControl, clock: Clock, box: ImapServer
) -> None:
    services, address = ready(build, box)
    look(services)
    box.put(mail("for one who has not enabled it", address))
    look(services)
    (row,) = services.timeline.latest(limit=1)
    assert row["provider"] == "mailbox"
    assert state(services, row["id"], "u") == MessageState.WAITING
    assert USER not in str(services.timeline.show(row["id"]))
