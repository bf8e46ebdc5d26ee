"""Text without what hides or breaks something: the reader at the other end is a machine.

Out go control characters (NUL too), lone surrogates, direction overrides and zero-width spaces. The joiners stay:
emoji families and Persian need them.
"""

from __future__ import annotations

import re
import unicodedata

_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ZERO_WIDTH = "\u00ad\u034f\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"
_TAGS = "\U000e0000-\U000e007f"
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"

_OUT = re.compile(f"[{_DIRECTION}{_ZERO_WIDTH}{_TAGS}{_CONTROL}]")
_LINE_ENDS = re.compile("\r\n?|\u0085|\u2028|\u2029")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARKS_MAX = 30
_MANY_BLANK = re.compile(r"\n{3,}")


def clean(text: str) -> str:
    """`text` in NFC with plain line ends, at most one blank line in a row, and nothing invisible in it."""
    text = _SURROGATES.sub("\ufffd", text)
    text = _OUT.sub("", _LINE_ENDS.sub("\n", text))
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", _fewer_marks(text))
    # line by line: a pattern for trailing blanks would be quadratic
    text = "\n".join(line.rstrip(" \t\u00a0") for line in text.split("\n"))
    return _MANY_BLANK.sub("\n\n", text).strip()


def _fewer_marks(text: str) -> str:
    """At most thirty combining marks on one letter: normalizing is quadratic in their number."""
    kept: list[str] = []
    marks = 0
    for sign in text:
        marks = marks + 1 if unicodedata.combining(sign) else 0
        if marks <= _MARKS_MAX:
            kept.append(sign)
    return "".join(kept)


def one_line(text: str, limit: int = 300) -> str:
    """`text` for a place that has one line, such as a subject or a file name."""
    flat = " ".join(clean(text[: limit * 8]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
