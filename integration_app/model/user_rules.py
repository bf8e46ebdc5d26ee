"""A user's own rules: what becomes of the messages that they name, instead of what would become of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Then(StrEnum):
    """What a rule does. `tasks` only where the destination takes them."""

    CONVERSATION = "conversation"
    MEMORIES = "memories"
    TASKS = "tasks"
    DIGEST = "digest"
    HOLD = "hold"
    DROP = "drop"


class Through(StrEnum):
    """Channels as a person tells them apart."""

    ANY = ""
    TEXT = "text"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class UserRule:
    """`sender`: an address, an @domain or a number; `word`: a word, or several in a row, of the subject or the text.
    What is empty fits everything; all that is given has to fit.
    """

    then: Then
    through: Through = Through.ANY
    sender: str = ""
    word: str = ""
