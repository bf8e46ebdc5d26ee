"""A forwarded mail: whose words it really is, from when, and what the one who forwarded it wrote above. Pure.

Mail programs put a block of `Label: value` lines above the original, in the language of the user. The labels are not
read: the first line holds an address, one holds a date, and the one that is neither date, address nor list of
addresses is the subject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timezone

from integration_app.mail.dates import read_date
from integration_app.mail.history import is_forward_line
from integration_app.text.clean import one_line

_LABEL = re.compile(r"[>\s]{0,6}\*{0,2}([^\W\d_][^:\uff1a\n]{0,24}?)\*{0,2}\s?[:\uff1a]\*{0,2}\s*(.*)")
_ADDRESS = re.compile(r"[^\s<>@\"'(),;:\[\]]{1,64}@[^\s<>@\"'(),;:\[\]]{1,190}")
_RULE = re.compile(r"\s{0,4}(?:[_\-=*]{5,}|[_\-=*]{2,}\s?[^\-_=*]{3,60}\s?[_\-=*]{2,})\s*")
_BEHIND_NAME = re.compile(r"\[?mailto:.*|<[^>]*>?|\(.*\)|\[.*")
_BLOCK_MAX = 14
_LINES_MAX = 2000
_SUBJECTS = re.compile(
    r"subject|betreff|objet|sujet|asunto|assunto|oggetto|onderwerp|ämne|emne|aihe|temat|předmět|predmet|tárgy|subiect|"
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
    """Take a forwarded mail apart; None where no block of headers is found. `zone` is the forwarder's.

    A line that says "forwarded message" is looked for first, then a rule, then a block that stands alone.
    """
    lines = text.split("\n")
    looked_at = lines[:_LINES_MAX]
    for number, line in enumerate(looked_at):
        if is_forward_line(line) and (found := _below(lines, number, 2, zone)):
            return found
    for number, line in enumerate(looked_at):
        if _RULE.fullmatch(line[:200]) and (found := _below(lines, number, 3, zone)):
            return found
    for number, line in enumerate(looked_at):
        if _ADDRESS.search(line[:400]) and (found := _alone(lines, number, zone)):
            return found
    return None


def _below(lines: list[str], number: int, least: int, zone: timezone) -> Forward | None:
    """The mail below a line that announces it, at most three blank lines further down."""
    begin = number + 1
    while begin < len(lines) and begin - number < 5 and not lines[begin].strip():
        begin += 1
    rows, end = _rows(lines, begin)
    if len(rows) < least:
        return None
    return _taken_apart(lines, number, rows, end, zone)


def _alone(lines: list[str], begin: int, zone: timezone) -> Forward | None:
    """A block without anything above it: an author, a date and a subject, or it is only a contact card."""
    rows, end = _rows(lines, begin)
    if len(rows) < 3 or not _ADDRESS.search(rows[0][1]) or not any(_SUBJECTS.search(label) for label, _ in rows):
        return None
    found = _taken_apart(lines, begin, rows, end, zone)
    return found if found.original.date else None


def _rows(lines: list[str], begin: int) -> tuple[list[tuple[str, str]], int]:
    """Labels and values from a line on, and where they end."""
    rows: list[tuple[str, str]] = []
    end = begin
    for line in lines[begin : begin + _BLOCK_MAX]:
        found = _LABEL.fullmatch(line[:1000])
        if found:
            rows.append((found.group(1).strip().casefold(), found.group(2).strip(" *")))
        elif not (line[:1] in " \t" and line.strip() and rows):  # a folded line belongs to the one above
            break
        end += 1
    return rows, end


def _taken_apart(lines: list[str], number: int, rows: list[tuple[str, str]], end: int, zone: timezone) -> Forward:
    dates = [moment for _, value in rows if not _ADDRESS.search(value) and (moment := read_date(value, zone=zone))]
    subject = next((value for label, value in rows if _SUBJECTS.search(label) and value), None)
    others = [value for label, value in rows if value and not _SUBJECTS.search(label)]
    author = next((value for value in others if _ADDRESS.search(value)), others[0] if others else "")
    found_address = _ADDRESS.search(author)
    address = found_address.group().lower() if found_address else None
    name = one_line(_BEHIND_NAME.sub("", author).strip(" \"'*,;"), 120)
    return Forward(
        Original(
            name=name if name and name.lower() != address else None,
            address=address,
            subject=one_line(subject, 300) if subject else None,
            date=dates[0] if dates else None,
        ),
        _without_rule(lines[:number]),
        _unquoted(lines[end:]),
    )


def _without_rule(lines: list[str]) -> str:
    """The note above, without the line that some programs draw below it."""
    note = "\n".join(lines).rstrip()
    above, _, last = note.rpartition("\n")
    return (above if _RULE.fullmatch(last[:200]) else note).strip()


def _unquoted(lines: list[str]) -> str:
    """Some programs put `>` before every line of what they forward."""
    if all(line.startswith(">") for line in lines if line.strip()):
        lines = [line[2:] if line.startswith("> ") else line[1:] for line in lines]
    return "\n".join(lines).strip("\n")
