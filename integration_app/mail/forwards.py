"""A forwarded mail: whose words it really is, from when, and what the one who forwarded it wrote above. Pure.

Mail programs put a block of `Label: value` lines above the original, in the language of the user. The labels are not
read: the first line holds an address, one holds a date, and the one that is neither date, address nor list of
addresses is the subject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timezone

from integration_app.mail.clean import one_line
from integration_app.mail.dates import read_date
from integration_app.mail.replies import FORWARD_LINES_MAX, is_forward_line

_LABEL = re.compile(r"[>\s]{0,6}\*{0,2}([^\W\d_][^:\uff1a\n]{0,24}?)\*{0,2}\s?[:\uff1a]\*{0,2}\s*(.*)")
_ADDRESS = re.compile(r"[^\s<>@\"'(),;:\[\]]{1,64}@[^\s<>@\"'(),;:\[\]]{1,190}")
_BLOCK_MAX = 14
_SUBJECTS = re.compile(
    r"subject|betreff|objet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy|subiect|"
    r"тема|относно|θέμα|konu|נושא|الموضوع|موضوع|विषय|เรื่อง|chủ đề|perihal|subjek|件名|제목|主题|主旨|主題|"
    r"assumpte|teema",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Original:
    """The mail that was forwarded, as its block of headers says; claims, all of it."""

    name: str | None = None
    address: str | None = None
    subject: str | None = None
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """`note` is what was written above the original, `text` the original's own text."""

    original: Original
    note: str
    text: str


def forward_of(text: str, *, zone: timezone = UTC) -> Forward | None:
    """Take a forwarded mail apart; None where no block of headers is found. `zone` is the forwarder's."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:FORWARD_LINES_MAX]):
        marked = is_forward_line(line)
        if not marked and not _ADDRESS.search(line[:400]):
            continue
        begin = number + 1 if marked else number
        while begin < len(lines) and begin - number < 4 and not lines[begin].strip():
            begin += 1
        if found := _block(lines, begin, marked, zone):
            original, end = found
            note = "\n".join(lines[:number]).strip()
            return Forward(original, _without_rule(note), "\n".join(lines[end:]).strip("\n"))
    return None


def _block(lines: list[str], begin: int, marked: bool, zone: timezone) -> tuple[Original, int] | None:
    """The headers that begin at a line and where they end; behind a forward's own line two are enough."""
    rows: list[tuple[str, str]] = []
    end = begin
    for line in lines[begin : begin + _BLOCK_MAX]:
        found = _LABEL.fullmatch(line[:1000])
        if found:
            rows.append((found.group(1).strip().casefold(), found.group(2).strip()))
        elif not (line[:1] in " \t" and line.strip() and rows):  # a folded line belongs to the one above
            break
        end += 1
    first = next((value for _, value in rows if value), "")
    if len(rows) < (2 if marked else 3) or (not marked and not _ADDRESS.search(rows[0][1])):
        return None
    dates = [moment for _, value in rows if not _ADDRESS.search(value) and (moment := read_date(value, zone=zone))]
    if not dates and not marked:
        return None
    author = next((value for _, value in rows if _ADDRESS.search(value)), first)
    found_address = _ADDRESS.search(author)
    address = found_address.group().lower() if found_address else None
    name = one_line(re.sub(r"\[?mailto:.*|<[^>]*>?|\(.*\)|\[.*", "", author).strip(" \"'*,;"), 120)
    subject = next((value for label, value in rows if _SUBJECTS.search(label) and value), None)
    return (
        Original(
            name=name if name and name.lower() != address else None,
            address=address,
            subject=one_line(subject, 300) if subject else None,
            date=dates[0] if dates else None,
        ),
        end,
    )


def _without_rule(note: str) -> str:
    """The line that some programs draw between the note and the block."""
    kept = note.rstrip("_-=* \n")
    return kept if len(note) - len(kept) >= 5 else note
