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
    for _ in range(5):  # a server may count ahead of its clock
        box.number_anew()
        if validity(services) != before:
            break
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
            assert look(services) == 1
            (row,) = services.refusals.latest("mailbox", now=services.clock())
            assert "neither MOVE nor UID EXPUNGE" in row.why


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


def test_a_mail_that_the_server_does_not_hand_over_is_tried_again_and_holds_up_no_other(
    build: Callable[..., Services], box: ImapServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imapclient import IMAPClient
    from imapclient.exceptions import IMAPClientError

    services, address = ready(build, box)
    look(services)
    for words in ("first", "second", "third"):
        box.put(mail(words, address))
    asked = IMAPClient.fetch

    def refuses(self: IMAPClient, uids: Any, items: Any, *more: Any) -> Any:
        if list(uids) == [sorted(self.search("ALL"))[1]]:
            raise IMAPClientError("[SERVERBUG] the text of a mail")
        return asked(self, uids, items, *more)

    with monkeypatch.context() as patch:
        patch.setattr(IMAPClient, "fetch", refuses)
        assert look(services) == 2
        told = services.refusals.latest("mailbox", now=clock())[0]
        assert (told.outcome, "three days" in told.why, "text of" in told.why) == ("malformed", True, False)
        clock.now += timedelta(minutes=6)
        assert look(services) == 0
    clock.now += timedelta(minutes=6)
    assert look(services) == 1
    assert services.inbox.count() == 3


def test_sessions_that_end_by_themselves_are_begun_anew_at_once_and_raise_no_alarm(
    build: Callable[..., Services], box: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integration_app.mailbox.connection import MailboxError
    from workers.mailbox import PAUSES, Mailbox

    services, _ = ready(build, box)
    assert services.mailbox is not None
    pauses: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            if len(pauses) == 4:
                self.set()
            return self.is_set()

    def ends(self: Connection, seconds: float, stop: Callable[[], bool]) -> bool:
        raise MailboxError("it hung up")

    monkeypatch.setattr(Connection, "wait", ends)
    Mailbox(services, services.mailbox, Stop()).run()
    assert max(pauses) < PAUSES[1]
    assert not services.health.counters().get("alarms")


def test_what_is_over_a_users_limit_waits_in_the_mailbox(
    build: Callable[..., Services], box: ImapServer, clock: Clock
) -> None:
    services, address = ready(build, box, SENDER_MESSAGES_PER_MINUTE="2")
    look(services)
    for number in range(3):
        box.put(mail(f"letter {number}", address))
    box.put(mail("of another sender", address, sender="bo@example.com"))
    assert look(services) == 3, "one that waits holds up no other"
    clock.now += timedelta(minutes=1)
    assert look(services) == 0
    clock.now += timedelta(minutes=5)
    assert look(services) == 1
    assert services.inbox.count() == 4


def test_what_never_fits_is_told_and_holds_up_nobody(
    build: Callable[..., Services], box: ImapServer, clock: Clock
) -> None:
    services, address = ready(build, box, USER_MAX_MB="1")
    look(services)
    box.put(mail("x" * 1_500_000, address))
    box.put(mail("small", address))
    assert look(services) == 1
    for _ in range(100):
        clock.now += timedelta(hours=1)
        assert look(services) == 0
    assert services.inbox.count() == 1
    account = account_of(services.settings)
    assert account is not None
    assert services.mailboxes.later(account.key, validity(services), now=clock() + timedelta(days=9)) == []
    assert subjects(box, "INBOX") == 2


@pytest.mark.parametrize("how", ["move", "mark"])
def test_what_cannot_be_put_away_holds_up_nothing(
    build: Callable[..., Services], box: ImapServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from imapclient import IMAPClient
    from imapclient.exceptions import IMAPClientError

    services, address = ready(build, box, **({"MAILBOX_DONE_FOLDER": "Omi"} if how == "move" else {}))
    look(services)
    for number in range(3):
        box.put(mail(f"letter {number}", address))

    def refuses(*_: Any, **__: Any) -> None:
        raise IMAPClientError("[OVERQUOTA] no room")

    monkeypatch.setattr(IMAPClient, "move", refuses)
    monkeypatch.setattr(IMAPClient, "add_flags", refuses)
    assert look(services) == 3
    assert look(services) == 0
    assert services.inbox.count() == 3
    assert services.refusals.latest("mailbox", now=services.clock())[0].outcome == "not put away"


def test_a_mail_for_two_users_reaches_both(build: Callable[..., Services], box: ImapServer) -> None:
    services, mine = ready(build, box)
    theirs = services.settings.inbox_address(services.installations.add("v", now=services.clock()).inbox_token) or ""
    look(services)
    raw = mail("to the list", "list@example.com", message_id="<1@list.example.com>")
    for address in (mine, theirs, mine):
        box.put(f"Delivered-To: {address}\r\n".encode() + raw)
    look(services)
    assert [len(list(services.inbox.of(uid))) for uid in ("u", "v")] == [1, 1]


def test_mails_that_only_look_alike_are_two(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box, MAILBOX_UID="u", MAILBOX_FOLDER="For Omi")
    long = "".join(f"X-H{number}: {'y' * 60}\r\n" for number in range(1500))
    for words in ("one", "two"):
        box.put(f"From: a@example.com\r\n{long}Subject: {words}\r\n\r\n{words}\r\n".encode(), '"For Omi"')
        box.put(f"From: a@example.com\r\n{words}".encode(), '"For Omi"')
    assert look(services) == 4
    notice = b"From: door@example.com\r\nSubject: Front door\r\n\r\nopened\r\n"
    client = box.client()
    for second in (1, 2):
        client.append('"For Omi"', "", f'"20-Nov-2026 08:00:0{second} +0000"', notice)
    client.logout()
    assert look(services) == 2
    assert services.inbox.count() == 6


def test_what_only_looks_like_a_private_address_is_left_alone(build: Callable[..., Services], box: ImapServer) -> None:
    services, _ = ready(build, box, MAILBOX_DONE_FOLDER="Omi")
    look(services)
    for to in ("elizabethjohnson@example.com", f"omi+{TOKEN}@mail.example.com"):
        box.put(mail(f"private {to}", to))
    assert look(services) == 0
    assert (subjects(box, "INBOX"), max(0, subjects(box, "Omi"))) == (2, 0)
    assert services.refusals.latest("mailbox", now=services.clock()) == []


def test_the_head_of_a_mailbox_at_a_large_provider_is_read() -> None:
    """Hops within its own house on top, and its results below the line of the server that took the mail in."""
    results = "Authentication-Results: mx.google.com; dmarc=pass header.from=example.com"
    inside = "Received: by 2002:a05:6402:1c5 with SMTP id a1; Fri, 20 Nov 2026 08:00:00 -0800 (PST)\r\nX-Received: by x"
    taken = "Received: from mail.example.com (mail.example.com. [192.0.2.1]) by mx.google.com with ESMTPS id b2"
    forged = "Authentication-Results: mx.google.com; dmarc=pass header.from=example.com"
    tail = "Received: from evil by mx.google.com\r\nFrom: Ana <ana@example.com>\r\nTo: x@example.com\r\n\r\nwords"

    def proven(*rows: str) -> bool:
        raw = "\r\n".join((*rows, tail)).encode()
        made = message_of(
            raw, place="p", recipients=[TO], receivers=["mx.google.com"], came_at=START, received_at=START
        )
        return made.evidence.dmarc == "pass"

    assert proven("Delivered-To: x@example.com", inside, "Return-Path: <a@example.com>", taken, results)
    assert proven(taken, results)
    assert not proven(inside, taken)
    assert not proven(inside, taken, results.replace("pass", "fail"), forged), "the topmost counts"
    assert not proven("Received: from mx.other.example by mail.other.example with SMTP", taken, forged)
    assert not proven(inside, inside, inside, inside, taken, forged), "so many hops has no house"
    assert not proven("Received: from evil.example by evil.example", forged)


def test_a_server_that_says_odd_things_ends_nothing(
    build: Callable[..., Services], box: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imapclient import IMAPClient

    services, address = ready(build, box)
    look(services)
    box.put(mail("first", address))
    box.put(mail("second", address))
    asked = IMAPClient.fetch
    spoil: dict[bytes, Any] = {}

    def odd(self: IMAPClient, uids: Any, items: Any, *more: Any) -> Any:
        found = asked(self, uids, items, *more)
        if spoil and list(uids) == [min(self.search("ALL"))]:
            return {uid: {**row, **spoil} for uid, row in found.items()}
        return found

    monkeypatch.setattr(IMAPClient, "fetch", odd)
    from datetime import UTC, datetime

    for value in ({b"RFC822.SIZE": None}, {b"RFC822.SIZE": b"abc"}, {b"INTERNALDATE": 5}, {b"BODY[HEADER]<0>": [1]}):
        spoil = value
        look(services)
    spoil = {b"INTERNALDATE": datetime(1, 1, 1, tzinfo=UTC)}
    look(services)
    assert services.inbox.count() == 1
    assert services.refusals.latest("mailbox", now=services.clock())[0].outcome == "malformed"


def test_no_word_of_a_mail_is_logged_whatever_the_level(
    build: Callable[..., Services], box: ImapServer, capfd: pytest.CaptureFixture[str]
) -> None:
    from integration_app import logs

    services, address = ready(build, box)
    logs.configure("json", "debug")
    look(services)
    box.put(mail("never to be logged", address))
    assert look(services) == 1
    said = "".join(capfd.readouterr())
    logs.configure("text", "info")
    assert "never to be logged" not in said
    assert address not in said


@pytest.mark.parametrize("done", ["For Omi", "inbox", "INBOX"])
def test_a_mail_is_not_moved_onto_itself(build: Callable[..., Services], box: ImapServer, done: str) -> None:
    with pytest.raises(SettingsError, match="MAILBOX_DONE_FOLDER"):
        build(**box.settings, MAILBOX_FOLDER="For Omi", MAILBOX_DONE_FOLDER=done)


def test_mail_of_the_second_of_the_first_start_is_taken(build: Callable[..., Services], box: ImapServer) -> None:
    from datetime import UTC, datetime

    services, address = ready(build, box)
    services.clock.now = datetime.now(UTC) + timedelta(seconds=30)  # type: ignore[attr-defined]
    look(services)
    box.put(mail("at once", address))
    assert look(services) == 1


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
    assert connection.wait(60, lambda: False)
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
        made: Any = message_of(
            bytes(spoilt), place="p", recipients=[TO], receivers=["x"], came_at=START, received_at=START
        )
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
