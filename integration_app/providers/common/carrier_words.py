"""Words that a whole text may be and that are for the carrier: opting out, opting in, asking for help.

https://api.ctia.org/wp-content/uploads/2023/05/230523-CTIA-Messaging-Principles-and-Best-Practices-FINAL.pdf
"""

from __future__ import annotations

import re

_FOR_US = re.compile(r"\s*(unlink|(link)?[\s:-]*[A-Z0-9]{5,8})\s*[.!]?\s*", re.IGNORECASE)
CARRIER_WORDS = frozenset(
    (
        "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "START", "YES", "UNSTOP",
        "HELP", "INFO",
    )
)  # fmt: skip


def carrier_word(text: str, words: frozenset[str] = CARRIER_WORDS) -> str | None:
    """The word, where it is the whole message, in any case."""
    word = text.strip().upper()
    return word if word in words else None


def is_for_us(text: str) -> bool:
    """Whether it may be a link code, or UNLINK: nothing is put in front of such a one."""
    return bool(_FOR_US.fullmatch(text[:60])) and "link" in text[:60].lower()
