"""Messages: listed, told, shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from integration_app import logs
from integration_app.bootstrap import Services
from integration_app.model import (
    Content,
    Hints,
    MessageState,
    PreparedText,
    Route,
    Settled,
    Story,
    TextShown,
    WholeAsked,
)
from integration_app.omi import CONVERSATION_TEXT_MAX
from integration_app.pipeline.delivery.prepare import prepare, said_at
from integration_app.store.ingest import Receipt

log = logs.get(__name__)

_READ_MAX = 100_000
"""Characters of a mail that is not prepared yet and read for a list: a search must not take long."""


def messages(
    services: Services,
    *,
    limit: int = 50,
    uid: str = "",
    state: str = "",
    provider: str = "",
    sender: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    oldest_first: bool = False,
) -> list[dict[str, Any]]:
    """The newest ones that fit; `sender` is a part of the masked one."""
    found = []
    looked_at = 5000 if provider or sender or since or until else limit
    rows = services.timeline.latest(
        limit=looked_at, uid=uid or None, state=state or None, oldest_first=oldest_first and not uid
    )
    for row in reversed(rows) if uid and oldest_first else rows:
        at = datetime.fromisoformat(row["received_at"])
        if (since and at < since) or (until and at > until):
            if oldest_first == bool(until and at > until):
                break  # all that follow are further away
            continue
        if (provider and row["provider"] != provider) or (sender and sender not in row["sender"]):
            continue
        found.append(row)
        if len(found) >= limit:
            break
    return found


def search(services: Services, words: str, *, limit: int, looked_at: int = 1000) -> list[dict[str, Any]]:
    """The newest ones whose sender, subject or text holds every word, as far as it is kept."""
    wanted, found = words.casefold().split(), []
    for story in services.inbox.latest(looked_at):
        prepared = _prepared(services, story)
        said = f"{story.message.sender}\n{prepared.head or ''}\n{prepared.text}" if prepared else story.message.sender
        if all(word in said.casefold() for word in wanted):
            found.append(services.timeline.row(story))
            if len(found) >= limit:
                break
    return found


def text_of(services: Services, message_id: str, *, by: str, whole: bool = False) -> str | None:
    """The text of a message, `whole` with the mail that it answers. Showing it is an event of its story, and a line of
    the log.
    """
    text, story = services.inbox.text(message_id), services.inbox.story(message_id)
    if text is None:
        return None
    services.inbox.note(message_id, TextShown(at=services.clock(), by=by))
    log.warning("text shown", message=message_id, by=by)
    made = "".join(_made(services, message_id, uid) for uid in story.states) if story else ""
    if isinstance(text, PreparedText):
        own = "\n\n".join(part for part in (text.head, text.text, text.attached) if part)
        return (f"{own}\n\n{_history(text.history, whole=whole)}" if text.history else own) + made
    return text.text or text.subject or "(a raw mail, not prepared yet)"


def deliver_whole(services: Services, message_id: str, uid: str) -> bool:
    """Deliver a mail once more to this user, with the mail that it answers. False where nothing of it was hidden."""
    text, story = services.inbox.text(message_id), services.inbox.story(message_id)
    if not isinstance(text, PreparedText) or not text.history or story is None or uid not in story.states:
        return False
    said = "\n\n".join(part for part in (text.head, text.text, text.attached, text.history) if part)
    accepted = services.intake.accept(
        replace(
            story.message,
            dedupe_keys=(f"whole:{message_id}:{uid}",),
            route=Route.UID,
            recipients=(uid,),
            content=Content(text=said[: CONVERSATION_TEXT_MAX - 2_000]),
            hints=Hints(started_at=said_at(story.message, text), text_source="other_text", text_source_spec="email"),
        )
    )
    if accepted.receipt is Receipt.STORED:
        asked = WholeAsked(at=services.clock(), uid=uid, by=accepted.message_id)
        services.inbox.note(message_id, asked)
    return True


def _made(services: Services, message_id: str, uid: str) -> str:
    made = services.inbox.made(message_id, uid)
    if made is None:
        return ""
    lines = (made.title, made.overview, *(f"- {item}" for item in made.action_items))
    return "\n\n".join(("", f"[what Omi made of it for {uid}]", "\n".join(filter(None, lines))))


def _history(history: str, *, whole: bool) -> str:
    lines = history.count("\n") + 1
    return history if whole else f"[history hidden, {lines} {'line' if lines == 1 else 'lines'}]"


def lately(services: Services, uid: str, *, limit: int) -> Iterator[tuple[Story, PreparedText]]:
    """The newest messages of a user whose text is still here, prepared where it was not yet."""
    for story in islice(services.inbox.of(uid), limit):
        if prepared := _prepared(services, story):
            yield story, prepared


def _prepared(services: Services, story: Story) -> PreparedText | None:
    text = services.inbox.text(story.id)
    if text is None or isinstance(text, PreparedText):
        return text
    if len(text.mime or text.html or "") > _READ_MAX:
        return None
    try:
        return prepare(replace(story.message, content=text))
    except Exception:  # noqa: BLE001 - a drain will park it
        return None


def parked_of(services: Services, story: Story, uid: str) -> list[str]:
    """The dead letter that holds this message for this user; none where it is not parked."""
    if story.states.get(uid) is not MessageState.PARKED:
        return []
    mine = [event for event in story.events if isinstance(event, Settled) and event.uid == uid]
    return [event.delivery for event in mine[-1:] if event.delivery]


def moment(text: str) -> datetime | None:
    """An ISO time, UTC where it names no zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
