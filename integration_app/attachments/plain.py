"""Words of text, tables, pages, data and cards. Pure."""

from __future__ import annotations

import quopri
import re

from integration_app.mail.html import html_to_text
from integration_app.text.charsets import decode
from integration_app.text.clean import clean
from integration_app.text.kinds import FileKind

BYTES_READ = {FileKind.TEXT: 200_000, FileKind.HTML: 600_000, FileKind.CARD: 200_000}
"""More than what is kept of the longest text takes."""
_TAGS_MAX = 6_000
_CARD = {
    "FN": "Name",
    "ORG": "Organisation",
    "TITLE": "Title",
    "TEL": "Phone",
    "EMAIL": "E-mail",
    "ADR": "Address",
    "URL": "Web",
    "NOTE": "Note",
}
_PROPERTY = re.compile(r"([A-Za-z0-9.-]{1,60})((?:;(?:[^\":;]|\"[^\"]*\")*)*):(.*)")
_ESCAPED = re.compile(r"\\([,;])")
_SPLIT = re.compile(r"(?<!\\);")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def words_of(kind: FileKind, data: bytes, charset: str | None = None) -> str | None:
    """The words; "" where there are none, None where it is called text and is none."""
    text = decode(data[: BYTES_READ[kind]], charset)
    if len(_CONTROL.findall(text[:4000])) > 4:
        return None
    if kind is FileKind.HTML:
        text = html_to_text(text, tags=_TAGS_MAX)
    elif kind is FileKind.CARD:
        text = _card(text)
    return clean(text).strip()


def _card(text: str) -> str:
    """The lines of vCards that people read, card by card."""
    unfolded = re.sub(r"\r?\n[ \t]", "", re.sub(r"=\r?\n", "=\n", text))
    rows: list[str] = []
    cards: list[list[str]] = []
    named = False
    lines = unfolded.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        found = _PROPERTY.fullmatch(line[:4000])
        if not found:
            continue
        name, params, value = found[1].rpartition(".")[2].upper(), found[2].upper(), found[3]
        if "QUOTED-PRINTABLE" in params:
            while value.endswith("=") and number < len(lines):
                value, number = value[:-1] + lines[number], number + 1
            value = decode(quopri.decodestring(value.encode("utf-8", "replace")))
        if name in ("BEGIN", "END"):
            if rows:
                cards.append(rows)
            rows, named = [], False
            continue
        label = _CARD.get(name, "Name" if name == "N" and not named else None)
        parts = [
            re.sub(r"\\([,;n])", lambda one: " " if one[1] == "n" else one[1], part).strip()
            for part in _SPLIT.split(value)
        ]
        said = [part for part in parts if part]
        if label and said:
            if name == "N":
                rows = [row for row in rows if not row.startswith("Name: ")]
                said = [" ".join(reversed(said[:2]))]
            elif name == "FN":
                named = True
                rows = [row for row in rows if not row.startswith("Name: ")]
            rows.append(f"{label}: {', '.join(said)}")
    return "\n\n".join("\n".join(dict.fromkeys(card)) for card in [*cards, rows] if card)
