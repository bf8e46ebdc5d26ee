"""A prepared text as one user gets it: by the address of theirs that it reached, and as they wish it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from integration_app.model import (
    NO_PREFERENCES,
    InboundMessage,
    Installation,
    Kind,
    PreparedText,
    Then,
    WaitingMessage,
)
from integration_app.omi import CONVERSATION_TEXT_MAX, MEMORY_CONTENT_MAX
from integration_app.pipeline.delivery.prepare import TO_DO, as_kind, subject_of
from integration_app.pipeline.delivery.user_rules import first_of, is_for_digest
from integration_app.text.addresses import is_listed

_LABELS = {
    "memory": Kind.MEMORIES,
    "memories": Kind.MEMORIES,
    "remember": Kind.MEMORIES,
    "note": Kind.CONVERSATION,
    "conversation": Kind.CONVERSATION,
}
_MADE_BY: dict[Then | None, Kind | None] = {
    Then.CONVERSATION: Kind.CONVERSATION,
    Then.DIGEST: Kind.CONVERSATION,
    Then.MEMORIES: Kind.MEMORIES,
}
_ROOM = CONVERSATION_TEXT_MAX - 2_000
"""Characters of a text with what is added to it for one user; the rest is for its head."""


def as_user_gets(
    item: WaitingMessage,
    prepared: PreparedText,
    installation: Installation | None,
    *,
    has_tasks: bool,
    whole: Callable[[str, PreparedText], PreparedText] = lambda _, part: part,
) -> WaitingMessage:
    """The message with its text as this user gets it, and what a rule of theirs makes of it. `whole`: the text of
    all parts of a message, by its id and one of them, for rules look at the whole.
    """
    preferences = installation.preferences if installation else NO_PREFERENCES
    rules = preferences.rules
    rule = first_of(rules, item.message, whole(item.id, prepared)) if rules else None
    then = rule.then if rule else None
    made = for_user(prepared, item.message, installation, has_tasks=has_tasks, then=then)
    if then is None and is_for_digest(preferences, item.message):
        then = Then.DIGEST
    if then is Then.DIGEST and made.kind is not Kind.CONVERSATION:
        then = None  # memories go into no digest
    return replace(item, prepared=made, then=then)


def for_user(
    prepared: PreparedText,
    message: InboundMessage,
    installation: Installation | None,
    *,
    has_tasks: bool = False,
    then: Then | None = None,
) -> PreparedText:
    """As this user gets it: by the address of theirs that it was sent to, by the rule of theirs that fits (`then`),
    and by their preference.

    `has_tasks`: what is to do can become an action item.
    """
    wants = installation is None or installation.preferences.read_attachments
    if has_tasks and (prepared.to_do or then is Then.TASKS):
        wants = False
    prepared = _with(prepared, prepared.attached if wants else prepared.named, "\n\n" if wants else "\n")
    made = _wanted(prepared, message, installation, has_tasks=has_tasks, then=then)
    if has_tasks and made.kind is Kind.MEMORIES and len(made.text) > MEMORY_CONTENT_MAX:
        return replace(
            made, kind=Kind.CONVERSATION
        )  # one's own key has no route for it; Omi finds the facts there, too
    return made


def _wanted(
    prepared: PreparedText,
    message: InboundMessage,
    installation: Installation | None,
    *,
    has_tasks: bool,
    then: Then | None,
) -> PreparedText:
    if has_tasks and prepared.to_do:
        return replace(prepared, kind=Kind.TASKS, text=prepared.text.removeprefix(TO_DO), head=None)
    if has_tasks and then is Then.TASKS and not prepared.asked:
        said = "\n".join(filter(None, (subject_of(prepared.head), prepared.text)))
        if len(said) <= MEMORY_CONTENT_MAX:  # a longer one is no task: it stays a conversation
            return replace(prepared, kind=Kind.TASKS, text=said, head=None)
    if installation and prepared.history and is_listed(message.sender, installation.preferences.keep_history):
        prepared = replace(_with(prepared, prepared.history, "\n\n"), history="")
    if prepared.asked or installation is None:
        return prepared
    kind = _asked_by_address(message.recipients, installation.inbox_token) or _MADE_BY.get(
        then, installation.preferences.import_as
    )
    return prepared if kind in (None, prepared.kind) else as_kind(prepared, kind)


def _with(prepared: PreparedText, more: str, gap: str) -> PreparedText:
    """With more text, as far as there is room."""
    if not more:
        return prepared
    text = f"{prepared.text}{gap}{more}".strip()
    if len(text) > _ROOM:
        text = f"{text[:_ROOM].rstrip()}\n[Cut here: {len(text) - _ROOM:,} more characters]"
    return replace(prepared, text=text)


def _asked_by_address(recipients: tuple[str, ...], token: str) -> Kind | None:
    """What the address says that carries this user's token: `<token>+memory@…`, in whatever order."""
    for address in recipients:
        labels = (address.rpartition("@")[0] or address).lower().split("+")
        if token in labels and (asked := next((_LABELS[label] for label in labels if label in _LABELS), None)):
            return asked
    return None
