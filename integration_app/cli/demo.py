"""`omi-inbox demo`: the main job, from nothing, through the public doors, and a look at what Omi then holds.

Exit code 0 when everything is as it should be, 1 with the reason when anything differs.
"""

from __future__ import annotations

import itertools
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import requests

from integration_app import bootstrap
from integration_app.bootstrap import Services
from integration_app.cli.dev import redis_option
from integration_app.cli.output import fail
from integration_app.cli.samples import send
from integration_app.local.receiver import Receiver
from integration_app.local.stack import Stack, StackError
from integration_app.local.visitor import Visitor
from integration_app.model import Installation
from integration_app.providers import registry
from integration_app.providers.base import OutgoingRequest, SampleMessage, Sender
from integration_app.settings import LOCAL_OPERATOR_PASSWORD as OPERATOR_PASSWORD
from integration_app.standard_webhooks import read_keys, verify

PHONE, LONER, DAVES = "+15550001111", "+15550003333", "+15550004444"
ALICE, BOB, DAVE, NOT_ENABLED = "uid-alice", "uid-bob", "uid-dave", "uid-not-enabled"
QUIET_SECONDS = 1.5
_ATTRIBUTION = "On Mon, Nov 16, 2026 at 9:14 AM Sam Rivera <sam@example.com> wrote:"
_TRAVEL = (
    "Your flight to Paris has been confirmed for May 15th. Departure is from JFK at 9:30 in the evening. "
    "Your room in the Hotel de Paris is booked from May 16th to 20th. You prefer window seats when flying.\n\n"
    + "Terms of carriage apply to every ticket that is sold here. "
    * 20
)
PATIENCE_SECONDS = 30.0


class Differs(Exception):  # noqa: N818 - it is a finding
    """Something is not as it should be; the sentence says what."""


@click.command()
@redis_option
def demo(redis: str) -> None:
    """Show the main job: start everything, send signed webhooks, show what arrived in Omi, stop everything."""
    began = time.monotonic()
    click.echo("starting Valkey, the Omi sandbox, web and worker …")
    settings = {
        "SMS_QUIET_SECONDS": f"{QUIET_SECONDS}",
        "SMS_MAX_WAIT_SECONDS": "20",
        "MAIL_QUIET_SECONDS": "0",
        "MEMORY_QUIET_SECONDS": "0",
    }
    settings |= {"WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8"}
    try:
        with (
            tempfile.TemporaryDirectory(prefix="omi-inbox-demo-") as folder,
            Stack(Path(folder), settings=settings, redis=redis, with_mailbox=True) as stack,
        ):
            click.echo(f"ready after {time.monotonic() - began:.1f} s\n")
            _Demo(stack).run()
    except (Differs, StackError) as error:
        fail(click.style(f"\n✗ {error}", fg="red"))
    click.echo(f"\nall as it should be; everything is stopped again ({time.monotonic() - began:.0f} s)")
    click.echo(
        "\nthe pages, while `make dev` runs:\n"
        "  a user's, opened as Omi does   http://127.0.0.1:8000/setup?uid=demo-user  (its code is in http://127.0.0.1:8100)\n"
        f"  the operator's                 http://127.0.0.1:8000/operator  (password {OPERATOR_PASSWORD})"
    )
    sys.exit(0)


class _Demo:
    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        stack.export()
        self._services: Services = bootstrap.build()
        specs = registry.specs().values()
        self._doors: dict[str, Sender] = {spec.name: spec.sender(stack.env) for spec in specs if spec.sender}
        self._senders = {channel: self._doors[registry.for_channel(channel).name] for channel in ("sms", "email")}

    def run(self) -> None:
        self._people()
        for scene in (
            self._three_texts,
            self._remember,
            self._mail,
            self._travel,
            self._twice,
            self._forged,
            self._retry_after,
            self._doubling,
            self._not_enabled,
            self._every_door,
            self._files,
            self._mailbox,
            self._endpoint,
            self._set_up,
        ):
            scene()

    def _people(self) -> None:
        for uid in (ALICE, BOB):
            self._control("POST", f"/users/{uid}/enable")
        installations, now = self._services.installations, self._services.clock()
        for uid, phone in ((ALICE, PHONE), (BOB, PHONE), (NOT_ENABLED, LONER)):
            installations.add(uid, now=now)
            installations.link_phone(uid, phone)

    # --- scenes -------------------------------------------------------------------------------------------

    def _three_texts(self) -> None:
        words = ("Landed in Lisbon.", "The hotel moved us to room 12.", "Dinner with Mara at eight ☕")
        for text in words:
            self._text(text)
        expected = "\n\n".join(f"Me: {text}" for text in words)
        for uid in (ALICE, BOB):
            held = self._until(partial(self._conversations, uid), "three texts as one conversation")
            if len(held) != 1:
                raise Differs(f"{uid} has {len(held)} conversations instead of one")
            said = held[0]["external_data"]
            self._same(said["text"], expected, "the text of the three")
            self._same((said["text_source"], said["text_source_spec"]), ("message", "sms"), "its source")
            if held[0]["finished_at"] < held[0]["started_at"]:
                raise Differs("the conversation finished before it started")
        _line(
            "3 texts in a row from one phone linked to 2 uids",
            f"1 conversation (message, sms) for each: {expected!r}",
        )

    def _remember(self) -> None:
        self._text("remember: the spare key is with Mara #home #keys")
        for uid in (ALICE, BOB):
            held = self._until(partial(self._memories, uid), "the memory")
            self._same(held[0]["content"], "the spare key is with Mara", "the memory")
            self._same(held[0]["tags"], ["home", "keys"], "its tags")
        _line('a text "remember: … #home #keys"', f"memory {held[0]['content']!r}, tags {held[0]['tags']}")

    def _mail(self) -> None:
        before = len(self._conversations(ALICE))
        self._send(self._reply_mail(ALICE))
        held = self._until(lambda: self._conversations(ALICE)[before:] and self._conversations(ALICE), "the mail")
        said = next(row["external_data"] for row in held if row["external_data"]["text_source_spec"] == "email")
        self._same(said["text_source"], "other_text", "the source of the mail")
        if "Shall we meet" in said["text"] or "wrote:" in said["text"]:
            raise Differs(f"the quoted history is still there: {said['text']!r}")
        for part in ("Subject: Re: Café menü ☕", "Friday at seven works for me."):
            if part not in said["text"]:
                raise Differs(f"{part!r} is missing in {said['text']!r}")
        _line(
            "an e-mail, HTML and plain, quoted reply, subject 'Re: Café menü ☕'",
            f"conversation (other_text, email): {said['text']!r}",
        )

    def _travel(self) -> None:
        """The confirmation of Omi's own page: too long for one memory, so Omi takes the facts out of it."""
        known = {row["content"] for row in self._memories(ALICE)}
        to = self._address(ALICE).replace("@", "+memory@")
        self._send(replace(self._reply_mail(ALICE), to=to, text=_TRAVEL, html=None, subject="Your booking"))
        self._until(lambda: len(self._memories(ALICE)) > len(known), "the memories of the mail")
        made = [row["content"] for row in self._memories(ALICE) if row["content"] not in known]
        if not any("Paris" in content for content in made):
            raise Differs(f"the flight is missing in {made!r}")
        if any("Terms" in content for content in made):
            raise Differs(f"the small print became a memory: {made!r}")
        flight = next(content for content in made if "Paris" in content)
        _line("a long travel confirmation to the +memory address", f"{len(made)} memories, no fragments: {flight!r}, …")

    def _twice(self) -> None:
        before = len(self._memories(BOB))
        message = self._text_message("remember: gate B at six")
        message = replace(message, event_id=f"SM{secrets.token_hex(16)}")
        statuses = [self._send(message).status_code for _ in range(2)]
        self._until(lambda: len(self._memories(BOB)) > before, "the memory sent twice")
        time.sleep(1.0)
        stored = [row for row in self._services.timeline.latest(limit=50) if row["event_id"] == message.event_id]
        self._same((len(stored), len(self._memories(BOB)) - before), (1, 1), "messages stored, memories held")
        _line(f"the same webhook delivered twice (answers {statuses})", "stored once, held once")

    def _forged(self) -> None:
        before = self._services.inbox.count()
        message = self._text_message("I am not who I say I am")
        outgoing = self._senders["sms"].build_request(
            message, self._stack.env["PUBLIC_BASE_URL"], self._services.clock()
        )
        forged = replace(outgoing, body=outgoing.body.replace(b"not", b"now"))
        answer = send(self._stack.web_url, forged)
        self._same(answer.status_code, 403, "the answer to a forged text")
        self._same(self._services.inbox.count(), before, "the number of stored messages")
        _line("a text whose body was changed after signing", f"refused ({answer.status_code}), nothing stored")

    def _retry_after(self) -> None:
        self._fault({"route": "create_memories", "fault": "429", "retry_after": 2, "times": 1, "uid": ALICE})
        content = f"train at {time.time():.0f}"
        calls = self._attempts("create_memories", ALICE, lambda: self._text(f"remember: {content}"), 2)
        pause = calls[1]["at"] - calls[0]["at"]
        if pause < 2.0:
            raise Differs(f"sent again after {pause:.2f} s although Omi asked for 2 s")
        self._until(lambda: any(row["content"] == content for row in self._memories(ALICE)), "the message")
        _line("Omi answers 429 with Retry-After: 2", f"arrives after the pause: {_times(calls)}")

    def _doubling(self) -> None:
        self._fault({"route": "create_memories", "fault": "429", "times": 3, "uid": BOB})
        calls = self._attempts("create_memories", BOB, lambda: self._text(f"remember: bus {time.time():.0f}"), 4)
        pauses = [later["at"] - earlier["at"] for earlier, later in itertools.pairwise(calls)]
        for pause, least in zip(pauses, (1.0, 2.0, 4.0), strict=True):
            if not least <= pause < least * 1.25 + 1.0:
                raise Differs(f"waited {pause:.2f} s where {least:.0f} s and up to a quarter more are right")
        _line("Omi answers 429 without Retry-After, three times", f"1, 2, 4 … s: {_times(calls)}")

    def _not_enabled(self) -> None:
        self._text("Is anyone there?", LONER)
        state = self._until(
            lambda: [row for row in self._services.installations.all() if row.left_at], "the refused uid"
        )[0]
        waiting = self._services.timeline.latest(limit=1, uid=NOT_ENABLED)[0]["recipients"][0]
        self._same(len(self._conversations(NOT_ENABLED)), 0, "conversations of a uid that is not enabled")
        _line(
            "a text for a uid that has not enabled the app",
            f"nothing sent to it; installation {state.state}, message {waiting['state']}: {waiting['why']}",
        )

    def _every_door(self) -> None:
        """One message through each provider, signed as its vendor does it; a user for each, for Omi counts by user."""
        sent = {}
        for name, sender in self._doors.items():
            sample = next(iter(sender.samples().values()))
            uid, phone = _own_user(name)
            self._control("POST", f"/users/{uid}/enable")
            self._services.installations.add(uid, now=self._services.clock())
            self._services.installations.link_phone(uid, phone)
            if "{account}" in sample.sender:
                self._link_account(name, sender, sample)
            words = f"through the door of {name}"
            sent[name] = (words, self._through(name, sender, replace(sample, text=words, html=None)))
        for name, (words, status) in sent.items():
            held = self._until(partial(self._with_words, _own_user(name)[0], words), f"the message of {name}")
            said = held["external_data"]
            _line(
                f"through {registry.specs()[name].provider.title} ({status})",
                f"conversation ({said['text_source']}, {said['text_source_spec']}): …{words!r}",
            )

    def _files(self) -> None:
        """A file that the vendor keeps: a worker asks for it, with its id, and reads it."""
        for name, sender in self._doors.items():
            sample = sender.samples().get("file")
            if sample is None:
                continue
            words = f"written in a file at {name}"
            status = self._through(name, sender, replace(sample, text=words))
            self._until(partial(self._with_words, _own_user(name)[0], words), f"the file of {name}")
            _line(f"a file through {registry.specs()[name].provider.title} ({status})", f"fetched and read: …{words!r}")

    def _mailbox(self) -> None:
        """A mail in a folder of a real IMAP server, read by the mailbox process."""
        server = self._stack.mailbox
        if server is None:
            click.echo(f"– not shown: a mailbox by IMAP ({self._stack.without_mailbox})")
            return
        words = f"a letter of {time.time():.0f}"
        address = self._address(ALICE)
        mail = (
            f"From: Ana <ana@example.com>\r\nTo: {address}\r\nSubject: Post\r\nMessage-ID: <{words[-9:]}@example.com>"
        )
        for _ in range(2):
            server.put(f"{mail}\r\n\r\n{words}\r\n".encode())
        self._until(partial(self._with_words, ALICE, words), "the mail of the mailbox")
        held = sum(words in row["external_data"]["text"] for row in self._conversations(ALICE))
        self._same(held, 1, "conversations of a mail that lies in the mailbox twice")
        _line("a mail that lies in an IMAP folder, twice", f"read and put away, one conversation: …{words!r}")

    def _endpoint(self) -> None:
        """An endpoint of the operator's is told what becomes of a text, and can prove who tells it."""
        with Receiver() as receiver:
            endpoint, secret = self._services.endpoints.add(receiver.url, (), now=self._services.clock())
            self._text("remember: the bell is broken")
            name = registry.for_channel("sms").name  # what was sent before may be told of too
            self._until(
                lambda: any(
                    event["type"] == "message.delivered" and event["data"]["provider"] == name
                    for event in receiver.events()
                ),
                "the webhook",
            )
            keys, now = read_keys([secret]), self._services.clock()
            for headers, body in receiver.got:
                verify(headers, body, keys, now)
            self._services.endpoints.remove(endpoint.id)
        _line("an endpoint of the operator's own", f"told, signed: {[event['type'] for event in receiver.events()]}")

    def _through(self, name: str, sender: Sender, sample: SampleMessage) -> int:
        """The door's own user sends it; the status."""
        (uid, phone), account = _own_user(name), registry.specs()[name].account
        message = replace(
            sample,
            sender=sample.sender.replace("{phone}", phone).replace("{account}", account),
            to=sample.to.replace("{inbox}", self._address(uid)),
        )
        return send(self._stack.web_url, self._signed(sender, message)).status_code

    def _link_account(self, name: str, sender: Sender, sample: SampleMessage) -> None:
        """The code of the user's page, sent from their account at the messenger."""
        account, uid = registry.specs()[name].account, _own_user(name)[0]
        code = self._services.auth.link_codes.new(uid)
        self._through(name, sender, replace(sample, text=code))
        if uid not in self._services.installations.with_phone(account):
            raise Differs(f"{account} is not linked after it sent {code}")
        _line(f"a link code sent through {registry.specs()[name].provider.title}", f"{account} is linked to {uid}")

    def _set_up(self) -> None:
        """A new user: opens the page in Omi, types the code, links a phone by texting, texts."""
        self._control("POST", f"/users/{DAVE}/enable")
        visitor = Visitor(self._stack.web_url, self._stack.sandbox_url)
        visitor.prove(DAVE, self._stack.env["OMI_APP_ID"])
        self._text(visitor.link_code(), DAVES)
        self._until(lambda: visitor.get("/me").ok and DAVES in visitor.page, "the linked phone on the page")
        self._text("My first text.", DAVES)
        held = self._until(partial(self._conversations, DAVE), "the first text")[0]["external_data"]["text"]
        self._until(lambda: visitor.get("/me").ok and "in your Omi" in visitor.page, "the first text on the page")
        answer = requests.get(f"{self._stack.web_url}/setup/completed", {"uid": DAVE}, timeout=10).json()
        self._same(answer, {"is_setup_completed": True}, "what Omi is told")
        _line("a new user's page: a code from Omi typed in, a phone linked by texting", f"conversation: {held!r}")

    # --- helpers ------------------------------------------------------------------------------------------

    def _text_message(self, text: str, phone: str = PHONE) -> SampleMessage:
        return SampleMessage(sender=phone, to="", text=text, channel="sms")

    def _text(self, text: str, phone: str = PHONE) -> None:
        self._send(self._text_message(text, phone))

    def _reply_mail(self, uid: str) -> SampleMessage:
        return SampleMessage(
            sender="ana@example.com",
            to=self._address(uid),
            subject="Re: Café menü ☕",
            text=f"Friday at seven works for me.\n\n{_ATTRIBUTION}\n\n> Shall we meet?\n> Sam\n",
            html=f"<p>Friday at seven works for me.</p><p>{_ATTRIBUTION}</p><blockquote>Shall we meet?</blockquote>",
            in_reply_to="<1@example.com>",
            channel="email",
        )

    def _address(self, uid: str) -> str:
        return self._services.settings.inbox_address(self._installation(uid).inbox_token) or ""

    def _installation(self, uid: str) -> Installation:
        installation = self._services.installations.get(uid)
        assert installation is not None  # noqa: S101 - made in _people
        return installation

    def _with_words(self, uid: str, words: str) -> dict[str, Any] | None:
        return next((row for row in self._conversations(uid) if words in row["external_data"]["text"]), None)

    def _send(self, message: SampleMessage) -> requests.Response:
        sender = self._senders[message.channel or "sms"]
        answer = send(
            self._stack.web_url,
            sender.build_request(message, self._stack.env["PUBLIC_BASE_URL"], self._services.clock()),
        )
        if answer.status_code != 200:
            raise Differs(f"a genuine {message.channel} was answered {answer.status_code}")
        return answer

    def _signed(self, sender: Sender, message: SampleMessage) -> OutgoingRequest:
        return sender.build_request(message, self._stack.env["PUBLIC_BASE_URL"], self._services.clock())

    def _control(self, method: str, path: str, json: Any = None) -> Any:
        url = f"{self._stack.sandbox_url}/_sandbox{path}"
        answer = requests.request(method, url, json=json, timeout=10)
        if answer.status_code == 404:
            return {"conversations": [], "memories": []}
        answer.raise_for_status()
        return answer.json()

    def _fault(self, fault: dict[str, Any]) -> None:
        self._control("POST", "/faults", fault)

    def _conversations(self, uid: str) -> list[dict[str, Any]]:
        return list(self._control("GET", f"/users/{uid}")["conversations"])

    def _memories(self, uid: str) -> list[dict[str, Any]]:
        return list(self._control("GET", f"/users/{uid}")["memories"])

    def _attempts(self, route: str, uid: str, act: Callable[[], None], count: int) -> list[dict[str, Any]]:
        """The next `count` calls on a route for a uid, as the sandbox logged them."""
        since = time.time()
        act()
        query = f"/requests?route={route}&uid={uid}&since={since}"

        def logged() -> list[dict[str, Any]]:
            calls: list[dict[str, Any]] = self._control("GET", query)["requests"]
            return calls if len(calls) >= count else []

        return list(self._until(logged, f"{count} calls to Omi"))

    def _until(self, look: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            if time.monotonic() > deadline:
                raise Differs(f"{what} did not arrive within {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.1)
        return found

    def _same(self, actual: object, expected: object, what: str) -> None:
        if actual != expected:
            raise Differs(f"{what}: {actual!r} instead of {expected!r}")


def _own_user(door: str) -> tuple[str, str]:
    """A uid and a phone for this door."""
    return f"uid-of-{door}", f"+1555010{list(registry.specs()).index(door):04d}"


def _line(sent: str, held: str) -> None:
    click.echo(f"{click.style('✓', fg='green')} sent  {sent}\n  Omi   {held}")


def _times(calls: list[dict[str, Any]]) -> str:
    def told() -> Iterator[str]:
        for call in calls:
            moment = time.strftime("%H:%M:%S", time.gmtime(call["at"]))
            yield f"{moment}.{int(call['at'] % 1 * 1000):03d} → {call['status']}"

    return ", ".join(told())
