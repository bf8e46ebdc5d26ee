"""Words of text, tables, pages, data and cards. Pure."""

from __future__ import annotations

import re

from integration_app.mail.html import html_to_text
from integration_app.text.charsets import decode
from integration_app.text.clean import clean
from integration_app.text.kinds import FileKind

_CARD = {
    "FN": "Name",
    "ORG": "Organisation",
    "TITLE": "Title",
    "TEL": "Phone",
    "EMAIL": "E-mail",
    "ADR": "Address",
    "URL": "Web",
}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


def words_of(kind: FileKind, data: bytes, charset: str | None = None) -> str | None:
    """The words; "" where there are none, None where it is called text and is none."""
    text = decode(data, charset)
    if len(_CONTROL.findall(text[:4000])) > 4:
        return None
    if kind is FileKind.HTML:
        text = html_to_text(text)
    elif kind is FileKind.CARD:
        text = _card(text)
    return clean(text).strip()


def _card(text: str) -> str:
    """A vCard's lines that people read."""
    rows = []
    for line in re.sub(r"\r?\n[ \t]", "", text).splitlines():
        head, colon, value = line.partition(":")
        label = _CARD.get(head.partition(";")[0].rpartition(".")[2].upper())
        if colon and label and value.strip(" ;"):
            parts = [part.replace("\\,", ",").strip() for part in re.split(r"(?<!\\);", value)]
            rows.append(f"{label}: {', '.join(part for part in parts if part)}")
    return "\n".join(dict.fromkeys(rows))
