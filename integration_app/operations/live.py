"""A canary: a text or mail, signed as its vendor does, through the public door to Omi, and read back from there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import requests

from integration_app.bootstrap import Services
from integration_app.model import Begun, DeliveryState, Installation, Kind, MessageState, Settled, Story
from integration_app.omi import OmiError
from integration_app.operations.checks import Check
from integration_app.operations.providers import environment
from integration_app.providers import registry
from integration_app.providers.base import ProviderSpec

WORDS = "A test of Omi Inbox by its operator; it can be deleted. Its number is {nonce}."
WAIT = timedelta(minutes=6)
"""The longest quiet window, and a slow call to Omi."""


def live(found: Services, uid: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[Check]:
    """Sends one message for this user; it counts against their quota and stays in their Omi."""
    installation = found.installations.get(uid)
    if installation is None:
        yield Check("canary", False, "no such user → omi-inbox installations lists them")
        return
    chosen = _door(found, installation)
    if chosen is None:
        words = "no provider that is on reaches this user alone → link a phone of their own, or set INBOX_DOMAIN"
        yield Check("canary", False, words)
        return
    if installation.preferences.paused:
        yield Check("canary", False, "this user has paused, so it would wait → another user, or have them resume")
        return
    if found.outbox.size(uid):
        words = "messages wait for this user, and the canary would join them → try again when they are in Omi"
        yield Check("canary", False, words)
        return
    began, words = found.clock(), WORDS.format(nonce=secrets.randbelow(10**9))
    answer = _send(found, chosen, installation, words)
    yield answer
    if not answer.ok:
        return
    story = _until_settled(found, uid, words, began, sleep)
    if story is None:
        left = found.installations.get(uid)
        words = f"not in Omi after {WAIT.total_seconds():.0f} s → omi-inbox messages says where it stands"
        if left and left.left_at:
            words = "Omi says that this user has not enabled the app → enable it in the Omi app"
        yield Check("canary to Omi", False, words)
        return
    yield from _told(found, uid, story, words)


def _door(found: Services, installation: Installation) -> ProviderSpec | None:
    """By text where a phone is linked, else by mail."""
    specs = [registry.specs()[name] for name in found.providers]
    ways = {"sms": _own_phone(found, installation), "email": found.settings.inbox_address("token")}
    for channel, is_reached in ways.items():
        for spec in specs:
            if is_reached and channel in spec.channels and spec.sender and not spec.is_example:
                return spec
    return None


def _own_phone(found: Services, installation: Installation) -> str | None:
    """One that serves nobody else, who would get the canary too."""
    uid = installation.uid
    return next((phone for phone in installation.numbers if found.installations.with_phone(phone) == [uid]), None)


def _send(found: Services, spec: ProviderSpec, installation: Installation, words: str) -> Check:
    assert spec.sender is not None  # noqa: S101 - asked before
    base = found.settings.public_base_url
    phone = _own_phone(found, installation) if "sms" in spec.channels else None
    try:
        sender = spec.sender(environment(spec))
    except KeyError as error:  # a key that the vendor keeps to itself
        return Check("canary", False, f"{spec.name} cannot be signed here without {error} → another provider")
    sample = next(iter(sender.samples().values()))
    address = found.settings.inbox_address(installation.inbox_token) or ""
    message = replace(
        sample,
        sender=phone or _trusted(installation) or sample.sender,
        to=sample.to.replace("{inbox}", address),
        text=words,
        html=None,
        media=(),
    )
    began = time.monotonic()
    try:
        made = sender.build_request(message, base, found.clock())
        answer = requests.request(
            made.method, base + made.path, data=made.body, headers=dict(made.headers), timeout=30, allow_redirects=False
        )
    except (requests.RequestException, ValueError) as error:
        return Check("canary", False, f"{base} does not answer ({type(error).__name__}) → omi-inbox doctor --online")
    seconds = time.monotonic() - began
    outcome = answer.headers.get("X-Outcome", "")
    if answer.status_code != 200 or outcome != "stored":
        words = f"the door of {spec.name} answers {answer.status_code} {outcome} → omi-inbox doctor, its last refusals"
        return Check("canary", False, words)
    return Check("canary", True, f"signed as {spec.name}, taken in at {base} in {seconds:.2f} s", seconds=seconds)


def _trusted(installation: Installation) -> str | None:
    """A sender whom this user lets in without proof, which a test cannot give."""
    return next((row[1:] for row in installation.preferences.senders if row.startswith("~") and "@" in row[2:]), None)


def _until_settled(
    found: Services, uid: str, words: str, since: datetime, sleep: Callable[[float], None]
) -> Story | None:
    while found.clock() < since + WAIT:
        left = found.installations.get(uid)
        if left and left.left_at:
            return None
        for story in found.inbox.of(uid, 20):
            settled = story.states.get(uid) not in (None, MessageState.WAITING, MessageState.SENDING)
            if settled and words in _text(found, story):
                return story
        sleep(0.5)
    return None


def _text(found: Services, story: Story) -> str:
    kept = found.inbox.text(story.id)
    return (kept.text or "") if kept else ""


def _told(found: Services, uid: str, story: Story, words: str) -> Iterator[Check]:
    state = story.states[uid]
    if state is not MessageState.DONE:
        yield Check("canary to Omi", False, f"{state} → omi-inbox messages show {story.id}")
        return
    begun = [event for event in story.events if isinstance(event, Begun) and event.uid == uid]
    done = [event for event in story.events if isinstance(event, Settled) and event.state is DeliveryState.DONE]
    if begun and done:
        waited = (begun[-1].at - story.message.received_at).total_seconds()
        yield Check("canary waits", True, f"{waited:.2f} s in the outbox, for quiet and its turn", seconds=waited)
        called = (done[-1].at - begun[-1].at).total_seconds()
        yield Check("canary to Omi", True, f"Omi took it in {called:.2f} s", seconds=called)
    began = time.monotonic()
    start = story.message.received_at - timedelta(minutes=5)
    try:
        held = list(found.omi.held(uid, Kind(done[-1].kind) if done else Kind.CONVERSATION, start))
    except OmiError as error:
        yield Check("canary read back", False, f"{error.reason} → the app needs the action read conversations")
        return
    seconds = time.monotonic() - began
    if any(words in (row.text or "") for row in held):
        yield Check("canary read back", True, f"found in Omi in {seconds:.2f} s", seconds=seconds)
    elif any(row.text is None for row in held):  # of memories, and in the Developer API, there is none
        yield Check("canary read back", True, f"Omi has one of that time ({seconds:.2f} s)", seconds=seconds)
    else:
        yield Check("canary read back", False, "not in Omi, which said that it took it → ask Omi", seconds=seconds)
