"""Numbers as vendors write them, in the one form in which they are linked. Pure."""

from __future__ import annotations

import re

_SIGNS = re.compile(r"[\s().\u2011-]")
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST = 40


def e164(written: str) -> str:
    """`+15550001111` from "+1 (555) 000-1111", "15550001111" or "0015550001111"; a short code or a name as it is."""
    number = _SIGNS.sub("", written[:_LONGEST])
    if number.startswith("00"):
        number = f"+{number[2:]}"
    elif number.isascii() and number.isdigit() and len(number) > 7:
        number = f"+{number}"
    return number if _NUMBER.fullmatch(number) else written.strip()[:100]
