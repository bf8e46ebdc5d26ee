"""Numbers as vendors write them, in the one form in which they are linked. Pure."""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_SIGNS = re.compile(r"[\s().\u2011-]")
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST = 100


def international(digits: str) -> str:
    """`+15550001111` from the digits with the country code, as networks write them; anything else as it is."""
    number = f"+{digits.lstrip('+')}"
    return number if _NUMBER.fullmatch(number) else _named(digits)


def dialled(written: str, region: str | None) -> str:
    """`+15550001111` from a number as a phone shows it, without a country code where it is of `region` ("US"). A short
    code or a name stays as it is.
    """
    number = _SIGNS.sub("", _named(written))
    if _NUMBER.fullmatch(number):
        return number
    if number.startswith("00") and _NUMBER.fullmatch(f"+{number[2:]}"):
        return f"+{number[2:]}"
    if region and number.isascii() and number.isdigit() and len(number) > 6:
        try:
            found = phonenumbers.parse(number, region)
        except NumberParseException:
            return number
        return str(phonenumbers.format_number(found, PhoneNumberFormat.E164))
    return number


def _named(sender: str) -> str:
    """A short code or a name. Without a colon: that would make it an account of a messenger."""
    return sender.strip()[:_LONGEST].replace(":", " ")
