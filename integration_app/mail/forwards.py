"""A forwarded mail: whose words it really is, from when, and what the one who forwarded it wrote above. Pure.

Mail programs put a block of `Label: value` lines above the original, in the language of the user. The labels are not
read: the first line holds an address, one holds a date, and the one that is neither date, address nor list of
addresses is the subject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timezone

from integration_app.mail import words
from integration_app.mail.history import attribution_in
from integration_app.mail.signs import LINE_MAX, RULE, is_forward_line, is_quoted, kind_of_label
from integration_app.text.clean import one_line
from integration_app.text.dates import read_date

_LABEL = re.compile(r"[>\s|]{0,6}\*{0,2}([^\W\d_][^:\uff1a|\n]{0,24}?)\*{0,2}\s?[:\uff1a|]\*{0,2}\s*(.*)")
_ADDRESS = re.compile(r"[^\s<>@\"'(),;:\[\]]{1,64}@[^\s<>@\"'(),;:\[\]]{1,190}")
_BEHIND_NAME = re.compile(r"\[?mailto:.*|<[^>]*>?|\(.*\)|\[.*")
_BLOCK_MAX = 14
_COLON = re.compile(r"\*{0,2}\s?[:\uff1a]\s")
_TWO_WORDS = re.compile(r"(?:^|\s)\*{0,2}(\S{1,15} \S{1,12})$")
_ONE_WORD = re.compile(r"(?:^|\s)\*{0,2}(\S{1,16})$")
_NAME_BEFORE = re.compile(r"(?:\"([^\"<>]{1,80})\"|(?<=[,:] )([^,:<>\"]{1,60}))\s*<", re.ASCII)
_GLUED_MAX = 16
_LINES_MAX = 2000
_TRIES_MAX = 60


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


@dataclass(frozen=True, slots=True)
class _When:
    zone: timezone
    before: datetime | None


def forward_of(text: str, *, zone: timezone = UTC, before: datetime | None = None) -> Forward | None:
    """Take a forwarded mail apart; None where no block of headers is found. `zone` is the forwarder's, `before` when it
    was forwarded.

    A line that says "forwarded message" is looked for first, then a rule, then a block that stands alone.
    """
    lines, when = text.split("\n"), _When(zone, before)
    tries = _TRIES_MAX
    for number, line in enumerate(lines[:_LINES_MAX]):
        announced = is_forward_line(line, quoted=True)
        rule = not announced and bool(RULE.fullmatch(line[:200]))
        if tries <= 0 or not (announced or rule or kind_of_label(line[:LINE_MAX]) == "sender"):
            continue
        tries -= 1
        if found := _at(lines, number, announced=announced, rule=rule, when=when):
            return found
    return _below_attribution(lines, when)


def _at(lines: list[str], number: int, *, announced: bool, rule: bool, when: _When) -> Forward | None:
    """The mail that begins at this line: the topmost one counts."""
    if not announced:
        return _below(lines, number, 3, when) if rule else _alone(lines, number, when)
    if not is_quoted(lines[number]):
        return _on_one_line(lines, number, when) or _below(lines, number, 2, when)
    near = _unmarked(lines[: number + _BLOCK_MAX + 6], number)
    if _on_one_line(near, number, when) is None and _below(near, number, 2, when) is None:
        return None
    whole = _unmarked(lines, number)
    return _on_one_line(whole, number, when) or _below(whole, number, 2, when)


def _unmarked(lines: list[str], number: int) -> list[str]:
    """What Apple Mail quotes when it forwards, without the quotation marks."""
    return [*lines[:number], *(re.sub(r"^\s{0,3}>\s?", "", line) for line in lines[number:])]


def _on_one_line(lines: list[str], number: int, when: _When) -> Forward | None:
    """Yahoo writes the whole head on one line, or the labels run on behind the line that says "forwarded"."""
    for row in range(number, min(number + 3, len(lines))):
        line = lines[row][:1500]
        marks = _inline_labels(line)
        if len(marks) < 3:
            continue
        ends = [*(start for _, start, _ in marks[1:]), None]
        rows = [(label, line[after:end].strip(" *")) for (label, _, after), end in zip(marks, ends, strict=True)]
        return _taken_apart(lines, number, rows, row + 1, when)
    return None


def _inline_labels(line: str) -> list[tuple[str, int, int]]:
    """Known labels inside a line: each folded, where it begins, and where its value does."""
    found = []
    for colon in _COLON.finditer(line):
        before = line[max(0, colon.start() - 40) : colon.start()]
        marks = (mark[1] for pattern in (_TWO_WORDS, _ONE_WORD) if (mark := pattern.search(before)))
        label = next((mark for mark in marks if words.fold(mark.strip("* ")) in words.LABELS), _glued(before))
        if label:
            found.append((words.fold(label.strip("* ")), colon.start() - len(label), colon.end()))
    return found


def _glued(before: str) -> str:
    """A label that stands right behind the value of another, as Yahoo has it: `…@example.com>To`."""
    for size in range(min(_GLUED_MAX, len(before) - 1), 1, -1):
        label = before[-size:]
        if label[0].isupper() and not before[-size - 1].isspace() and words.fold(label) in words.LABELS:
            return label
    return ""


def _below_attribution(lines: list[str], when: _When) -> Forward | None:
    """Outlook for Mac puts "On … wrote:" above what it forwards."""
    found = attribution_in(lines[:200])
    if found is None:
        return None
    first, last = found
    run = " ".join(line.strip() for line in lines[first : last + 1])
    address = _ADDRESS.search(run)
    if address is None:
        return None
    named = _NAME_BEFORE.search(run)
    rows = [("", (named[1] or named[2]).strip() + f" <{address.group()}>" if named else address.group())]
    date = read_date(run, zone=when.zone, before=when.before)
    made = _taken_apart(lines, first, rows, last + 1, when)
    return replace(made, original=replace(made.original, date=date))


def _below(lines: list[str], number: int, least: int, when: _When) -> Forward | None:
    """The mail below a line that announces it, at most three blank lines further down."""
    begin = number + 1
    while begin < len(lines) and begin - number < 5 and not lines[begin].strip():
        begin += 1
    rows, end = _rows(lines, begin)
    if len(rows) < least or (least > 2 and not _is_head(rows, when)):
        return None
    return _taken_apart(lines, number, rows, end, when)


def _alone(lines: list[str], begin: int, when: _When) -> Forward | None:
    """A head without anything above it: an author, a date and a subject, or it is only a contact card."""
    if begin > 0 and kind_of_label(lines[begin - 1][:LINE_MAX]) == "sent":
        begin -= 1
    rows, end = _rows(lines, begin)
    if len(rows) < 3 or not any(_is_subject(label) for label, _ in rows) or not _is_dated(rows, when):
        return None
    return _taken_apart(lines, begin, rows, end, when)


def _is_head(rows: list[tuple[str, str]], when: _When) -> bool:
    """Below a mere rule a signature or a note may stand: a head names its author, or a subject and a date."""
    if any(words.fold(label) in words.SENDER for label, _ in rows):
        return True
    return any(_is_subject(label) for label, _ in rows) and _is_dated(rows, when)


def _is_dated(rows: list[tuple[str, str]], when: _When) -> bool:
    """Whether it says when; a date that cannot be read is one too."""
    return any(value and words.fold(label) in words.SENT for label, value in rows) or bool(_dates(rows, when))


def _dates(rows: list[tuple[str, str]], when: _When) -> list[datetime]:
    return [
        moment
        for _, value in rows
        if not _ADDRESS.search(value) and (moment := read_date(value, zone=when.zone, before=when.before))
    ]


def _is_subject(label: str) -> bool:
    return words.fold(label) in words.SUBJECT


def _rows(lines: list[str], begin: int) -> tuple[list[tuple[str, str]], int]:
    """Labels and values from a line on, and where they end."""
    rows: list[tuple[str, str]] = []
    end = begin
    for line in lines[begin : begin + _BLOCK_MAX]:
        found = _LABEL.fullmatch(line[:1000])
        if found:
            rows.append((found.group(1).strip().casefold(), found.group(2).strip(" *|\t")))
        elif not (line[:1] in " \t" and line.strip() and rows):  # a folded line belongs to the one above
            break
        end += 1
    return rows, end


def _taken_apart(lines: list[str], number: int, rows: list[tuple[str, str]], end: int, when: _When) -> Forward:
    dates = _dates(rows, when)
    subject = next((value for label, value in rows if _is_subject(label) and value), None)
    others = [value for label, value in rows if value and not _is_subject(label)]
    named = next((value for label, value in rows if value and words.fold(label) in words.SENDER), None)
    author = named or next((value for value in others if _ADDRESS.search(value)), others[0] if others else "")
    found_address = _ADDRESS.search(author)
    address = found_address.group().lower() if found_address else None
    name = one_line(_BEHIND_NAME.sub("", author).strip(" \"'*,;<>[]"), 120)
    return Forward(
        Original(
            name=name if name and name.lower() != address else None,
            address=address,
            subject=one_line(subject, 300) if subject else None,
            date=dates[0] if dates else None,
        ),
        _without_rule(lines[:number]),
        _unquoted(_below_repeated(lines, number, end)),
    )


def _without_rule(lines: list[str]) -> str:
    """The note above, without the line that some programs draw below it."""
    note = "\n".join(lines).rstrip()
    above, _, last = note.rpartition("\n")
    return (above if RULE.fullmatch(last[:200]) else note).strip()


def _below_repeated(lines: list[str], number: int, end: int) -> list[str]:
    """What stands below the head; Zoho closes it with the line that opened it."""
    return lines[end + 1 :] if end < len(lines) and number < end and lines[end] == lines[number] else lines[end:]


def _unquoted(lines: list[str]) -> str:
    """Some programs put `>` before every line of what they forward, or a rule below it that says that it ends."""
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip()), 0)
    if lines and RULE.fullmatch(lines[last][:200]) and any(word in words.fold(lines[last]) for word in words.FORWARDED):
        lines = lines[:last]
    if all(line.startswith(">") for line in lines if line.strip()):
        lines = [line[2:] if line.startswith("> ") else line[1:] for line in lines]
    return "\n".join(lines).strip("\n")
