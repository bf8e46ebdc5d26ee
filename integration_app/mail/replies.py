"""Cut the quoted history out of a reply, by rules that know no language.

A line announces history when it ends in a colon and holds a date together with an address or a clock time; a block
of header lines announces it when it holds an address and a date. A forward is never cut: there the history is the
message. What would leave nothing is not cut at all, for a memory must not lose a note.
All patterns are linear and run on single, bounded lines: anyone may write to an inbox.
"""

from __future__ import annotations

import re

LOOKED_AT_MAX = 200_000
"""Characters in which history is looked for."""

FORWARD_LINES_MAX = 2000

_LINE_MAX = 400
_ATTRIBUTION_LINES = 3
_SIGNATURE_LINES = 12
_HEADER_LINES = 3

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_ADDRESS = re.compile(r"[^\s<>@\"'()\[\]:;,]{1,64}@[^\s<>@\"'()\[\]:;,]{1,190}")
_BRACKETED = re.compile(r"[<(]" + _ADDRESS.pattern + r"[>)]")
_CLOCK = re.compile(r"(?<!\d)\d{1,2}[:.h\u6642\u65f6]\s?\d{2}(?!\d)")
_DATE = re.compile(
    r"(?<!\d)(?:\d{4}|\d{1,2})\s?[-/.\u5e74\ub144]\s?\d{1,2}(?:\s?[-/.\u6708\uc6d4]\s?\d{1,4})?"
    r"|(?<!\d)\d{1,2}\.?\s+(?:de\s+)?[^\W\d_]{3,12}[.'\u05f3]?,?\s+(?:de\s+)?\d{4}(?!\d)"
    r"|[^\W\d_]{3,12}\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}(?!\d)"
    r"|(?<!\d)\d{4}\.?\s+[^\W\d_]{3,12}\.?\s+\d{1,2}(?!\d)"
)
_HEADER = re.compile(r"\s{0,4}\*{0,2}([^\W\d_][^:\uff1a\n]{0,24})\*{0,2}\s?[:\uff1a]\*{0,2}\s*(\S.*)")
_RULE = re.compile(r"\s{0,4}(?:[_\-]{5,}|-{2,}\s?[^-]{3,60}\s?-{2,})\s*")
_REPLY_SUBJECT = re.compile(
    r"\s*(?:re|aw|sv|vs|antw|odp|r|rif|res|ref|atb|ynt|vá|回复|回覆|答复|返信|답장|תשובה|رد|отв)"
    r"(?:\[\d+\])?\s*[:\uff1a]",
    re.IGNORECASE,
)
_FORWARD_SUBJECT = re.compile(
    r"\s*(?:fwd?|wg|tr|rv|enc|vl|vb|doorst|pd|i|fs|továbbítás|転送|转发|轉寄|전달|הועבר|إعادة توجيه|пересл?)"
    r"\s*[:\uff1a]",
    re.IGNORECASE,
)
_FORWARD_WORDS = (
    "forwarded message", "forwarded by", "weitergeleitete nachricht", "anfang der weitergeleiteten",
    "message transféré", "message réexpédié", "début du message", "mensaje reenviado", "inicio del mensaje",
    "messaggio inoltrato", "inizio messaggio", "mensagem encaminhada", "início da mensagem", "doorgestuurd bericht",
    "begin doorgestuurd", "vidarebefordrat", "videresendt", "videresendte", "välitetty viesti", "przekazana wiadomość",
    "přeposlaná zpráva", "továbbított üzenet", "пересылаемое сообщение", "пересланное сообщение", "переслане",
    "iletilen mesaj", "προωθημένο μήνυμα", "mesaj redirecționat", "转发的邮件", "轉寄的郵件", "転送されたメッセージ",
    "전달된 메시지", "הודעה שהועברה", "رسالة معاد توجيهها", "thư đã chuyển tiếp",
)  # fmt: skip


def strip_history(text: str, *, subject: str = "", is_reply: bool = False, forwards: bool = True) -> str:
    """`text` without the mail that it answers, and without a signature behind the exact delimiter `-- `.

    `is_reply` when the headers say so (In-Reply-To, References); a subject like "Re:" says it too. A forward
    is left alone, unless `forwards` is False.
    """
    if forwards and is_forward(text, subject):
        return text
    lines = text.split("\n")
    visible = [_INVISIBLE.sub("", line[:_LINE_MAX]) for line in _head(lines)]
    cut = _history_begins(visible, is_reply=is_reply or is_reply_subject(subject))
    kept = lines if cut is None else lines[:cut]
    kept = _without_signature(kept)
    stripped = "\n".join(kept).strip()
    return stripped or text


def _head(lines: list[str]) -> list[str]:
    size = 0
    for number, line in enumerate(lines):
        size += len(line) + 1
        if size > LOOKED_AT_MAX:
            return lines[:number]
    return lines


def is_forward(text: str, subject: str = "") -> bool:
    """Whether the history is the message: by its subject, or by the line that mail programs put above it."""
    if is_forward_subject(subject):
        return True
    return any(map(is_forward_line, text[:LOOKED_AT_MAX].split("\n")[:FORWARD_LINES_MAX]))


def is_reply_subject(subject: str) -> bool:
    """Whether a subject begins as that of an answer does."""
    return bool(_REPLY_SUBJECT.match(subject[:200]))


def is_forward_subject(subject: str) -> bool:
    return bool(_FORWARD_SUBJECT.match(subject[:200]))


def is_forward_line(line: str) -> bool:
    """The line that mail programs put above a forwarded mail. A quoted one (>) belongs to the history."""
    low = line[:200].strip(" *-_:").lower()
    return bool(low) and len(low) < 80 and low.startswith((*_FORWARD_WORDS, "begin forwarded message"))


def _history_begins(lines: list[str], *, is_reply: bool) -> int | None:
    quoted = [line.lstrip().startswith(">") for line in lines]
    has_quotes = any(quoted)
    tail = _quoted_tail(lines, quoted)
    for number, line in enumerate(lines):
        if not line.strip() or quoted[number]:
            continue
        end = _attribution(lines, quoted, number)
        if end is not None:
            said = " ".join(lines[number : end + 1])
            sure = bool(_BRACKETED.search(said)) and bool(_CLOCK.search(said))
            rest_is_quoted = has_quotes and end + 1 >= tail and any(quoted[end + 1 :])
            if rest_is_quoted and (is_reply or sure):
                return number
            if is_reply and sure and not has_quotes and any(row.strip() for row in lines[end + 1 :]):
                return number
        if is_reply and _header_block(lines, number):
            return number - 1 if _below_rule(lines, number) else number
    return tail if is_reply and any(quoted[tail:]) else None


def _quoted_tail(lines: list[str], quoted: list[bool]) -> int:
    """From which line on everything is quoted, blank, or a signature."""
    start = len(lines)
    for number in range(len(lines) - 1, -1, -1):
        if lines[number].strip() and not quoted[number]:
            # a signature below the quotation belongs to the tail
            if lines[number].rstrip("\r") in ("-- ", "--") and start - number <= _SIGNATURE_LINES:
                start = number
                continue
            if _below_delimiter(lines, number):
                start = number
                continue
            break
        start = number
    return start


def _below_delimiter(lines: list[str], number: int) -> bool:
    above = lines[max(0, number - _SIGNATURE_LINES) : number]
    return len(lines) - number <= _SIGNATURE_LINES and "-- " in above


def _attribution(lines: list[str], quoted: list[bool], start: int) -> int | None:
    """The last line of an attribution that begins at `start`, wrapped over at most three lines."""
    said = ""
    for number in range(start, min(start + _ATTRIBUTION_LINES, len(lines))):
        line = lines[number].strip()
        if not line or quoted[number]:
            return None
        said = f"{said} {line}"
        if line.endswith((":", "\uff1a")):
            dated = bool(_DATE.search(said))
            placed = bool(_ADDRESS.search(said)) or bool(_CLOCK.search(said))
            return number if dated and placed else None
    return None


def _header_block(lines: list[str], start: int) -> bool:
    """At least three `Label: value` lines with a date, the first with an address or right below a rule."""
    first = _HEADER.fullmatch(lines[start])
    if not first or not (_ADDRESS.search(first.group(2)) or _below_rule(lines, start)):
        return False
    block = []
    for line in lines[start : start + 8]:
        if not _HEADER.fullmatch(line):
            break
        block.append(line)
    return len(block) >= _HEADER_LINES and any(_DATE.search(line) for line in block[1:])


def _below_rule(lines: list[str], number: int) -> bool:
    return number > 0 and bool(_RULE.fullmatch(lines[number - 1]))


def _without_signature(lines: list[str]) -> list[str]:
    for number in range(len(lines) - 1, max(-1, len(lines) - 1 - _SIGNATURE_LINES), -1):
        if lines[number].rstrip("\r") == "-- ":
            return lines[:number] if any(line.strip() for line in lines[:number]) else lines
    return lines
