"""What kind of file an attachment is, by its name, else by the type that it claims. Pure."""

from __future__ import annotations

import re
from enum import StrEnum


class FileKind(StrEnum):
    """Kinds whose words can be read."""

    TEXT = "text"
    HTML = "html"
    CARD = "vcf"
    MAIL = "eml"
    CALENDAR = "ics"
    PDF = "pdf"
    WORD = "docx"
    SHEET = "xlsx"
    SLIDES = "pptx"
    OPEN_TEXT = "odt"
    OPEN_SHEET = "ods"
    OPEN_SLIDES = "odp"
    AUDIO = "audio"


DOCUMENTS = frozenset(kind for kind in FileKind if kind.value in ("pdf", "docx", "xlsx", "pptx", "odt", "ods", "odp"))
"""Read in a process of their own."""

_ENDINGS = (
    dict.fromkeys(("txt", "text", "md", "markdown", "csv", "tsv", "json", "log"), FileKind.TEXT)
    | dict.fromkeys(("html", "htm"), FileKind.HTML)
    | dict.fromkeys(("ogg", "oga", "opus", "mp3", "m4a", "wav", "amr", "aac", "flac", "weba"), FileKind.AUDIO)
    | {"xlsm": FileKind.SHEET, "docm": FileKind.WORD, "pptm": FileKind.SLIDES}
    | {kind.value: kind for kind in FileKind if kind not in (FileKind.TEXT, FileKind.AUDIO)}
)
_IS_ENDING = re.compile(r"(?=\w*[a-z])[a-z0-9]{1,5}")
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN = "application/vnd.oasis.opendocument."
_TYPES = {
    "text/plain": FileKind.TEXT,
    "text/markdown": FileKind.TEXT,
    "text/csv": FileKind.TEXT,
    "text/tab-separated-values": FileKind.TEXT,
    "application/json": FileKind.TEXT,
    "text/html": FileKind.HTML,
    "text/vcard": FileKind.CARD,
    "text/x-vcard": FileKind.CARD,
    "text/directory": FileKind.CARD,
    "message/rfc822": FileKind.MAIL,
    "text/calendar": FileKind.CALENDAR,
    "application/ics": FileKind.CALENDAR,
    "application/pdf": FileKind.PDF,
    f"{_OFFICE}wordprocessingml.document": FileKind.WORD,
    f"{_OFFICE}spreadsheetml.sheet": FileKind.SHEET,
    f"{_OFFICE}presentationml.presentation": FileKind.SLIDES,
    f"{_OPEN}text": FileKind.OPEN_TEXT,
    f"{_OPEN}spreadsheet": FileKind.OPEN_SHEET,
    f"{_OPEN}presentation": FileKind.OPEN_SLIDES,
}
_CERTAIN = frozenset((FileKind.MAIL, FileKind.CALENDAR))


def kind_of_file(content_type: str, name: str | None = None) -> FileKind | None:
    """None for what can only be named: pictures, archives, programs, old office formats."""
    claimed = content_type.partition(";")[0].strip().lower()
    kind = _TYPES.get(claimed, FileKind.AUDIO if claimed.startswith("audio/") else None)
    if kind in _CERTAIN:
        return kind
    ending = (name or "").rpartition(".")[2].lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if "." in (name or "") and _IS_ENDING.fullmatch(ending) and claimed == "text/plain":
        return None  # an ending that says something else: source code, keys
    return kind
