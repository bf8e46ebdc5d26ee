"""Attachments whose words can be read at once: text, tables, cards, data. Pure; other kinds are named.

Each is cut at `ATTACHED_MAX` characters, and says so.
"""

from __future__ import annotations

import re

from integration_app.mail.html import html_to_text
from integration_app.text.charsets import decode
from integration_app.text.clean import clean, one_line

ATTACHED_MAX = 20_000
BYTES_MAX = 2_000_000

_TEXT = frozenset(("txt", "text", "md", "markdown", "csv", "tsv", "json", "log"))
_TYPES = {
    "text/plain": "txt", "text/markdown": "md", "text/csv": "csv", "text/tab-separated-values": "tsv",
    "application/json": "json", "text/html": "html", "text/vcard": "vcf", "text/x-vcard": "vcf",
    "text/directory": "vcf",
}  # fmt: skip
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


def words_of(kind: str, name: str | None, data: bytes, charset: str | None = None) -> str | None:
    """The words of an attachment, below a head that names it; None for one that has to be named alone."""
    form = _form(kind, name)
    if form is None or len(data) > BYTES_MAX:
        return None
    text = decode(data, charset)
    if len(_CONTROL.findall(text[:4000])) > 4:
        return None  # called text, and is none
    if form == "html":
        text = html_to_text(text)
    elif form == "vcf":
        text = _card(text)
    text = clean(text).strip()
    if not text:
        return None
    if len(text) > ATTACHED_MAX:
        text = f"{text[:ATTACHED_MAX].rstrip()}\n[Cut here: {len(text) - ATTACHED_MAX:,} more characters]"
    return f"Attachment: {one_line(name or kind, 120)}\n{text}"


def _form(kind: str, name: str | None) -> str | None:
    ending = (name or "").rpartition(".")[2].lower()
    if ending in _TEXT or ending in ("html", "htm", "vcf"):
        return "html" if ending == "htm" else ending
    if "." in (name or "") and kind == "text/plain":
        return None  # an ending that says something else: source code, keys, calendars
    return _TYPES.get(kind)


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
