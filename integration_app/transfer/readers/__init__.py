"""Files to items: one module for each kind of file. `read` finds out which it is, by name and by its first bytes.

A reader yields items in the order of their dates, keeps the original dates, and says where a file is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from integration_app.transfer.items import Item, UnreadableFile
from integration_app.transfer.readers import mails, notes, sms_backup, tables, transcripts, whatsapp


@dataclass(frozen=True, slots=True)
class Options:
    """`me`: how the files name their owner (a name, an address). `zone`: of times that say none.
    `per`: texts of a day, a week or a month become one conversation.
    """

    me: tuple[str, ...] = ()
    zone: tzinfo = UTC
    as_what: str = "auto"
    per: str = "day"


Reader = Callable[[Path, Options], Iterator[Item]]

KINDS: dict[str, Reader] = {
    "mbox": lambda path, options: mails.read_mbox(path),
    "eml": lambda path, options: mails.read_eml(path),
    "sms": lambda path, options: sms_backup.read(path, options.per),
    "whatsapp": lambda path, options: whatsapp.read(path, options.me, options.zone, options.per),
    "csv": lambda path, options: tables.read_csv(path, options.zone, options.as_what),
    "jsonl": lambda path, options: tables.read_jsonl(path, options.zone, options.as_what),
    "notes": lambda path, options: notes.read(path, options.zone),
    "vtt": lambda path, options: transcripts.read_vtt(path, options.me, options.zone),
    "srt": lambda path, options: transcripts.read_srt(path, options.me, options.zone),
    "transcript": lambda path, options: transcripts.read_text(path, options.me, options.zone),
}
_BY_SUFFIX = {
    ".mbox": "mbox", ".eml": "eml", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".md": "notes",
    ".markdown": "notes", ".vtt": "vtt", ".srt": "srt",
}  # fmt: skip


def read(path: Path, options: Options, kind: str | None = None) -> Iterator[Item]:
    """Every item of a file, or of the files in a folder. Raises `UnreadableFile`."""
    for file in sorted(_files(path)):
        yield from KINDS[kind or detect(file)](file, options)


def detect(path: Path) -> str:
    """The kind of a file. Raises `UnreadableFile` for one that no reader here knows."""
    if found := _BY_SUFFIX.get(path.suffix.lower()):
        return found
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PK\x03\x04"):
        raise UnreadableFile(f"{path.name}: packed, as WhatsApp's exports are; unpack it and take the file inside")
    if head.startswith(b"From "):
        return "mbox"
    text = head.decode("utf-8-sig", "replace")
    if "<smses" in text:
        return "sms"
    if whatsapp.looks_like(text):
        return "whatsapp"
    if transcripts.looks_like(text):
        return "transcript"
    raise UnreadableFile(f"{path.name}: not a kind of file that is known here ({', '.join(KINDS)}); say --kind")


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in path.rglob("*"):
        if file.is_file() and not file.name.startswith(".") and file.suffix.lower() in _BY_SUFFIX:
            yield file
