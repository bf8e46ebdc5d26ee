"""What stands in for Omi's models, by rules that are stated here and nowhere hidden. Pure.

title         the subject line, or the first eight words
overview      the first 200 characters
category      the first of a short list of topics whose words occur; its emoji goes along; else "other", 🧠
action items  sentences with "I will", "I'll", "need to", "have to", "must", "don't forget to", "remember to", "to do:";
              due on a date or weekday that the sentence names ("by Friday", "tomorrow", "on 2026-12-01")
memories      first-person sentences "I like", "I am", "I live", "my … is" …, up to four
discard       segments only: kept with more than 100 words, or an action item; else from 8 words, from 12 if under
              two minutes
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_TOPICS = (
    ("work", "💼", ("meeting", "project", "deadline", "client", "budget", "design", "launch", "quarterly")),
    ("health", "🏃", ("doctor", "slept", "sleep", "run", "ran", "marathon", "steps", "workout", "dentist")),
    ("travel", "✈️", ("flight", "hotel", "train", "airport", "gate", "trip")),
    ("family", "👪", ("mom", "dad", "mother", "father", "daughter", "son", "family")),
    ("finance", "💶", ("invoice", "paid", "bank", "rent", "tax")),
    ("social", "🍽️", ("dinner", "party", "birthday", "lunch", "friends")),
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SPEAKER = re.compile(r"^[^\s:]{1,30}(?: [^\s:]{1,30})?:\s+")
_TO_DO = re.compile(
    r"\b(?:I will|I'll|(?:I |we )?(?:need|have) to|(?:I|we) must|don't forget to|remember to|to do:)\s+(.{3,200})", re.I
)
_OF_ONESELF = re.compile(r"\b(?:I (?:like|love|prefer|live|work|am allergic|hate)|I'm allergic|my \w+ is)\b", re.I)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DUE = re.compile(
    r"\b(?:(?:by|on|before|until|next)\s+)*(" + "|".join(_WEEKDAYS) + r"|tomorrow|tonight|today|\d{4}-\d{2}-\d{2})\b",
    re.I,
)
_MEMORIES_MAX = 4
_SAME_WITHIN = timedelta(days=2)


@dataclass(frozen=True)
class Understood:
    structured: dict[str, Any]
    action_items: list[dict[str, Any]]
    memories: list[str]


def understand(text: str, now: datetime) -> Understood:
    """Everything that Omi would make of a text said at `now`."""
    items = action_items(text, now)
    category, emoji = _topic(text)
    structured = {
        "title": title(text),
        "overview": " ".join(text.split())[:200],
        "emoji": emoji,
        "category": category,
        "action_items": [{"description": item["description"], "completed": False, "exported": False} for item in items],
        "events": [],
    }
    return Understood(structured, items, memories_of_oneself(text))


def title(text: str) -> str:
    subject = re.search(r"\A(?:[^\n]*\n){0,4}Subject: ([^\n]+)", text)
    said = subject.group(1) if subject else _SPEAKER.sub("", text.strip())
    return " ".join(said.split()[:8]) or "Untitled"


def action_items(text: str, now: datetime) -> list[dict[str, Any]]:
    """Descriptions with due dates, each once."""
    found: dict[str, dict[str, Any]] = {}
    for sentence in _sentences(text):
        if match := _TO_DO.search(sentence):
            description = _capital(match.group(1).strip(" .!"))[:500]
            found.setdefault(normal(description), {"description": description, "due_at": due(sentence, now)})
    return list(found.values())


def due(sentence: str, now: datetime) -> datetime | None:
    """The day that a sentence names, at its end in UTC; a weekday is the next one of that name."""
    found = _DUE.search(sentence)
    if not found:
        return None
    word = found.group(1).lower()
    if word in ("today", "tonight", "tomorrow"):
        day = now + timedelta(days=word == "tomorrow")
    elif word in _WEEKDAYS:
        day = now + timedelta(days=(_WEEKDAYS.index(word) - now.weekday() - 1) % 7 + 1)
    else:
        try:
            day = datetime.fromisoformat(word).replace(tzinfo=UTC)
        except ValueError:
            return None
    return day.replace(hour=23, minute=59, second=0, microsecond=0)


def is_repeated(description: str, now: datetime, known: Iterable[dict[str, Any]]) -> bool:
    """Whether the same thing has been noted within two days."""
    return any(
        normal(row["description"]) == normal(description) and abs(now - row["created_at"]) <= _SAME_WITHIN
        for row in known
    )


def memories_of_oneself(text: str) -> list[str]:
    """First-person facts, up to four."""
    found = [sentence for sentence in _sentences(text) if _OF_ONESELF.search(sentence)]
    return list(dict.fromkeys(found))[:_MEMORIES_MAX]


_HEAD = re.compile(r"\A(?:(?:From|To|Subject|Date|Forwarded by): [^\n]*\n)+")
"""Who wrote a mail is no fact about the user."""


def memories_from(text: str) -> list[str]:
    """For text that was sent to become memories: every sentence of at least four words, up to four of them."""
    said = _HEAD.sub("", text)
    sentences = [sentence.strip() for sentence in _SENTENCE.split(said.strip())]
    return [sentence for sentence in sentences if len(sentence.split()) >= 4][:_MEMORIES_MAX]


def is_worth_keeping(text: str, seconds: float, now: datetime) -> bool:
    """The discard decision for recorded segments."""
    words = len(text.split())
    if words > 100 or action_items(text, now):
        return True
    return words >= (12 if seconds < 120 else 8)


def normal(description: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", description.lower()).split())


def _sentences(text: str) -> list[str]:
    return [said for part in _SENTENCE.split(text) if (said := _SPEAKER.sub("", part.strip()).strip())]


def _topic(text: str) -> tuple[str, str]:
    words = set(re.findall(r"[a-z]+", text.lower()))
    return next(((name, emoji) for name, emoji, signs in _TOPICS if words & set(signs)), ("other", "🧠"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
