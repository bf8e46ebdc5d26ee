"""What stands below a mail and is no part of it: signatures, lines of programs, lists and companies. Pure."""

from __future__ import annotations

import re

from integration_app.mail import words
from integration_app.mail.signs import LINE_MAX, RULE, SENTENCE_END

_SIGNATURE_LINES = 12
_FOOTER_LINES = 8
_PROGRAM_WORDS = 12
_SENTENCE_WORDS = 6
_LEGAL_WORDS = 5
_DEVICE = re.compile("|".join(rf"(?<![a-z]){re.escape(word)}" for word in words.DEVICES))
_POSTSCRIPT = re.compile(r"\s{0,3}(?:P\.?\s?[SD]\.?\b[:.]?\s|Nachtrag\b|NB\b)", re.IGNORECASE)


def without_signature(lines: list[str], *, is_reply: bool = True) -> list[str]:
    """Without what stands below `-- `; a postscript is no part of it, nor is a sentence that goes on."""
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - _SIGNATURE_LINES), -1):
        if lines[number].rstrip("\r") == "-- ":
            added = next((n for n in range(number, len(lines)) if _POSTSCRIPT.match(lines[n])), len(lines))
            own = any(line.strip() for line in lines[:number])
            first = next((line.strip() for line in lines[number + 1 :] if line.strip()), "")
            if first[:1].islower() or (not is_reply and SENTENCE_END.search(first)):
                return lines  # a divider
            return [*lines[:number], *lines[added:]] if own else lines
    return lines


def is_footer(paragraph: list[str]) -> bool:
    """What a list, a company or a mail program puts below a mail, a paragraph of it: by how it begins."""
    first = paragraph[0].strip()
    if first in ("--", "—", "- -"):
        return True
    low = words.fold(" ".join(line.strip() for line in paragraph))[:1500]
    if RULE.fullmatch(first[:LINE_MAX]):
        return len(paragraph) <= _FOOTER_LINES and (len(paragraph) == 1 or "@" in low or "://" in low or _is_legal(low))
    if low.startswith(words.SENT_WITH):
        return _names_its_program(low)
    if low.startswith(words.LISTS):
        return len(low) < 300 and (any(word in low for word in words.LISTED) or low in words.LISTS)
    return low.startswith(words.LEGAL_STARTS) and _is_legal(low, least=1 if len(low.split()) <= _LEGAL_WORDS else 2)


def _names_its_program(low: str) -> bool:
    """A signature is short and no sentence, or one that says nothing but what it was sent with."""
    said = low.split()
    short = len(said) <= _PROGRAM_WORDS and bool(_DEVICE.search(low))
    if low.startswith("von meinem"):
        return short and low.endswith(words.SENT_LAST)
    return short and (len(said) <= _SENTENCE_WORDS or not SENTENCE_END.search(low))


def _is_legal(low: str, *, least: int = 1) -> bool:
    return sum(word in low for word in words.LEGAL) >= least
