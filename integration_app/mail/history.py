"""Find the quoted history of a reply. Own words kept > forwards kept > history cut.

A cut needs positive signs: an attribution (the shortest run of lines with a date and a place, grown upwards from its
last line, or a known word for "wrote"), quotation marks below it, a block of headers whose labels are known words for
From and Subject, a known rule. What merely looks like one – a card, an agenda, a log – is left alone, and so is
everything that would leave nothing. The rules know no language; the words are data (`words`).

All patterns are linear and run on single, bounded lines: anyone may write to an inbox.
"""

from __future__ import annotations

from dataclasses import dataclass

from integration_app.mail import words
from integration_app.mail.footers import is_footer, without_signature
from integration_app.mail.signs import (
    ABBREVIATION,
    ADDRESS,
    ADDRESS_LAST,
    AMBIGUOUS_SUBJECT,
    BRACKETED,
    CLOCK,
    COLON,
    DATE,
    INVISIBLE,
    LABEL,
    LINE_MAX,
    LOOKED_AT_MAX,
    POINTS_BELOW,
    RULE,
    SENTENCE_END,
    START_INSIDE,
    STARTS,
    YEAR,
    bare_subject,
    head,
    header_block,
    is_forward_line,
    is_forward_subject,
    is_quoted,
    is_reply_subject,
    is_scandinavian_forward,
    label_of,
    lacking,
    says_wrote,
)

ATTRIBUTION_LINES = 5
_GAP = 3
"""Blank lines between an attribution and its quotation."""
_RUN_MAX = 500
_LONG_ROW = 40
_CANDIDATES_MAX = 400
"""Lines of one mail that are looked at as the end of an attribution."""
_NAME_WORDS = 6
_SHAPE_WORDS = 16
_UNANNOUNCED_LINES = 6
_ANNOUNCED_LINES = 4
_WRAPPED = 60
_WRAP_COLUMN = 72
_POINTER_MAX = 400
_TELLING = 20
"""Characters of a subject that do not stand in another one by chance."""
_BLOCKS_MAX = 400


@dataclass(frozen=True, slots=True)
class Split:
    """`own` is what to deliver; `history` what was cut, "" where nothing was."""

    own: str
    history: str = ""


def split_history(text: str, *, subject: str = "", is_reply: bool = False, follows: bool = False) -> Split:
    """Take the mail that is answered, and a signature behind the exact delimiter `-- `, off a reply.

    `is_reply` when the headers say so (In-Reply-To, References); a subject like "Re:" says it too. `follows`: other
    parts of the mail have words already, so this one may be nothing but history.
    """
    lines = text.split("\n")
    page = _Page(lines, is_reply=is_reply or is_reply_subject(subject), subject=subject)
    kept = without_signature(page.own(), is_reply=page.is_reply)
    own = "\n".join(kept).strip()
    if not own and follows:
        return Split("", text)
    if not own or points_below(own):
        return Split(text)  # nothing else, or the answers stand in what would be cut
    return Split(own, lacking(lines, kept))


def points_below(own: str) -> bool:
    """Whether these few words say that the answers stand in what would be cut."""
    return len(own) < _POINTER_MAX and bool(POINTS_BELOW.search(own))


def is_forward(text: str, subject: str = "") -> bool:
    """Whether the history is the message: by its subject, or by a line or a head below no answered mail."""
    lines = head(text[:LOOKED_AT_MAX].split("\n"))
    if AMBIGUOUS_SUBJECT.match(subject[:20]):
        return is_scandinavian_forward(lines) or any(is_forward_line(line) for line in lines)
    if is_forward_subject(subject):
        return True
    page = _Page(lines, is_reply=True, subject=subject)
    first = next((number for number, line in enumerate(lines) if is_forward_line(line)), None)
    if first is not None:
        return not page.answers_above(first)
    quoted = next((n for n, line in enumerate(lines) if is_quoted(line) and is_forward_line(line, quoted=True)), None)
    if quoted is not None and not any(is_quoted(line) for line in lines[:quoted]):
        return not is_reply_subject(subject) and not page.answers_above(quoted)
    if not subject.strip() or is_reply_subject(subject):
        return False
    block = next((number for number in range(len(lines)) if _head_at(lines, number)), None)
    return block is not None and not page.answers_above(block)


def _head_at(lines: list[str], number: int) -> bool:
    announced = number > 0 and bool(RULE.fullmatch(lines[number - 1][:200]))
    return header_block(lines, number, announced=announced) > number


def attribution_in(lines: list[str]) -> tuple[int, int] | None:
    """The first attribution that these lines hold: its first and its last line."""
    page = _Page(lines, is_reply=True, subject="")
    found = ((page.attribution(last), last) for last in range(page.length))
    return next(((first, last) for first, last in found if first is not None), None)


def _leads_on(row: str) -> bool:
    """Whether an attribution may go on below this line."""
    dated = CLOCK.search(row) and DATE.search(row)
    return bool(dated or row.endswith(",") or STARTS.match(row) or BRACKETED.search(row) or len(row) >= _LONG_ROW)


class _Page:
    """The lines of one body, and what can be seen on them."""

    def __init__(self, lines: list[str], *, is_reply: bool, subject: str) -> None:
        self._lines = lines
        self._seen = [INVISIBLE.sub("", line[:LINE_MAX]).rstrip("\r") for line in head(lines)]
        self._quoted = [is_quoted(line) for line in self._seen]
        self._is_reply = self.is_reply = is_reply
        self._subject = subject
        self._last_text = max((number for number, line in enumerate(self._seen) if line.strip()), default=-1)
        self._last_quoted = max((number for number, quoted in enumerate(self._quoted) if quoted), default=-1)
        self._candidates, self._blocks = _CANDIDATES_MAX, _BLOCKS_MAX
        self._wraps = sum(self._looks_wrapped(number) for number in range(len(self._seen))) >= 2
        self.length = len(self._seen)

    def own(self) -> list[str]:
        """The lines that are the writer's own."""
        for number, line in enumerate(self._seen):
            if line.strip() and not self._quoted[number] and (found := self._cut_at(number)) is not None:
                return found
        return self._unannounced()

    def answers_above(self, number: int) -> bool:
        """Whether an answered mail is announced above this line."""
        replies = is_reply_subject(self._subject)
        for row in range(min(number, len(self._seen))):
            if self._seen[row].strip() and self.attribution(row) is not None:
                return True
            if replies and (header_block(self._seen, row) > row or self._is_original_rule(row)):
                return True
        return False

    def _unannounced(self) -> list[str]:
        """Without a quotation that nothing announces: of several lines, at the very end or the very beginning."""
        first = next((number for number, quoted in enumerate(self._quoted) if quoted), None)
        if first is None or not self._is_reply:
            return self._lines
        if self._is_announced_within(first):
            return self._around(first, first)
        marked = sum(self._quoted)
        above = next((row.strip() for row in reversed(self._seen[:first]) if row.strip()), "")
        inside = any(self._seen[n].strip() and not self._quoted[n] for n in range(first, self._last_quoted))
        typed = self._seen[first].lstrip().startswith(">>>") or not self._looks_quoted_by_a_program(first)
        if marked < _UNANNOUNCED_LINES or inside or typed or COLON.search(above):
            return self._lines
        below = self._lines[self._last_quoted + 1 :]
        if above and any(line.strip() for line in below) and self._tail_of(first):
            return self._lines  # own words on both sides: the writer quotes
        return self._lines[:first] + self._tail_of(first)

    def _is_announced_within(self, first: int) -> bool:
        """iOS and Open-Xchange quote the attribution too: it is what the quotation begins with."""
        run = ""
        for line in self._seen[first : first + _ANNOUNCED_LINES]:
            row = line.strip(" \t>\uff1e")
            if not is_quoted(line) or (run and not row):
                break
            run = f"{run} {row}".strip()
            wrote, address = says_wrote(run), bool(ADDRESS.search(run))
            if (wrote or (address and COLON.search(run))) and DATE.search(run) and CLOCK.search(run):
                return True
        return False

    def _looks_quoted_by_a_program(self, first: int) -> bool:
        """Paragraphs, lines that were wrapped, or a quotation within: not a poem, nor lines of a shell."""
        rows = [line.strip() for line, quoted in zip(self._seen[first:], self._quoted[first:], strict=True) if quoted]
        return any(row.strip(" >\uff1e") == "" or row[1:2] == ">" or len(row) >= _WRAPPED for row in rows)

    # --- candidates ---------------------------------------------------------------------------------------

    def _cut_at(self, number: int) -> list[str] | None:
        """The own lines, if history begins at this one."""
        begin = self.attribution(number)
        if begin is not None:
            own = self._own_part(begin, number)
            kept = self._around(begin, self._below(number))
            return [*kept[:begin], own, *kept[begin:]] if own and kept is not self._lines else kept
        if not self._is_reply or self._blocks <= 0:
            return None
        block = header_block(self._seen, number)
        self._blocks -= label_of(self._seen[number]) is not None
        if block > number and self._block_is_history(number, block):
            above = number - 1 if number > 0 and RULE.fullmatch(self._seen[number - 1]) else number
            return self._lines[:above]
        if self._is_original_rule(number) and self._rule_is_history(number):
            return self._lines[:number]
        return None

    def attribution(self, last: int) -> int | None:
        """The first line of an attribution that ends at `last`; None when none does.

        Grown upwards: the shortest run that holds what an attribution holds.
        """
        line = self._seen[last].strip()
        if self._quoted[last] or not line:
            return None
        if self._candidates <= 0 or not (COLON.search(line) or says_wrote(line) or ADDRESS.search(line)):
            return None
        below = self._below(last)
        quoted_below = below < len(self._seen) and self._quoted[below]
        if not quoted_below and not (self._is_reply and last < self._last_text and COLON.search(line)):
            return None
        self._candidates -= 1
        run, undated = "", None
        for number in range(last, max(-1, last - ATTRIBUTION_LINES), -1):
            row = self._seen[number].strip()
            ends_sentence = number < last and SENTENCE_END.search(row) and not ABBREVIATION.search(row)
            if not row or self._quoted[number] or ends_sentence or len(run) + len(row) > _RUN_MAX:
                break
            if undated is not None and not (_leads_on(row) or words.fold(run.strip(" :\uff1a")) in words.WROTE):
                break  # what is complete is not continued by a short line of the writer's
            run = f"{row} {run}".strip()
            if self._is_sure(run, quoted_below=quoted_below):
                if DATE.search(run):
                    return self._grown(number, run)
                undated = number if undated is None else undated
        return undated

    def _is_sure(self, run: str, *, quoted_below: bool) -> bool:
        address, colon = bool(ADDRESS.search(run)), bool(COLON.search(run))
        wrote = says_wrote(run) or words.fold(run).startswith(words.QUOTING)
        if not (wrote or address or colon):
            return False
        dated = any(map(str.isdigit, run)) and bool(DATE.search(run))
        if not dated:
            short = len(run.split()) <= _NAME_WORDS
            return quoted_below and self._is_reply and wrote and (address or (colon and short))
        clock, bracketed = bool(CLOCK.search(run)), bool(BRACKETED.search(run))
        if quoted_below:
            if not self._is_reply and not (bracketed or (wrote and clock)):
                return False  # a letter that quotes a letter
            return 2 + clock + 2 * address + 3 * wrote + colon >= 4
        if wrote and colon and clock and (address or YEAR.search(run)):
            return True
        return clock and bool(ADDRESS_LAST.search(run)) and len(run.split()) <= _SHAPE_WORDS

    def _grown(self, first: int, run: str) -> int:
        """With the line above, where the attribution was wrapped between its first words and its date."""
        if first == 0 or STARTS.match(self._seen[first]) or (ADDRESS.search(run) and not self._lacks_start(run)):
            return first
        above = self._seen[first - 1].strip()
        wrapped = above and not self._quoted[first - 1] and not SENTENCE_END.search(above) and len(above) < 100
        others = any(line.strip() for line in self._seen[: first - 1])
        if not wrapped or not others:
            return first
        if STARTS.match(above) and len(above.split()) <= _NAME_WORDS and (above.endswith(",") or DATE.search(above)):
            return first - 1
        name_first = BRACKETED.search(above) and not ADDRESS.search(run) and len(above.split()) <= _NAME_WORDS
        return first - 1 if name_first else first

    def _lacks_start(self, run: str) -> bool:
        return run[:1].islower() or run[:1].isdigit()

    def _own_part(self, begin: int, last: int) -> str:
        """What stands on the line of the attribution, in front of it: "Fine. On Monday … wrote:"."""
        row, rest = self._seen[begin], " ".join(self._seen[begin + 1 : last + 1])
        quoted_below = self._below(last) < len(self._seen) and self._quoted[self._below(last)]
        for found in reversed(list(START_INSIDE.finditer(row))):
            run = f"{row[found.start() :]} {rest}".strip()
            if (says_wrote(run) or ADDRESS.search(run)) and self._is_sure(run, quoted_below=quoted_below):
                own = row[: found.start()].strip()
                return own if any(map(str.isalnum, own)) else ""
        return ""

    def _block_is_history(self, number: int, end: int) -> bool:
        """Only in a mail that says "Re:" and has the same subject: any other may be a forward."""
        above = next((row.strip() for row in reversed(self._seen[:number]) if row.strip()), "")
        if COLON.search(above) and not RULE.fullmatch(above):
            return False  # "Please send:", and then a mail that nobody has sent yet
        if not self._subject.strip():
            return True
        if not is_reply_subject(self._subject):
            return False
        for line in self._seen[number:end]:
            found = LABEL.fullmatch(line)
            if found and words.fold(found.group(1).strip(" *_")) in words.SUBJECT and found.group(2).strip(" *|"):
                said, mine = bare_subject(found.group(2)), bare_subject(self._subject)
                return said == mine or (len(said) > _TELLING and said in mine)
        return True

    def _is_original_rule(self, number: int) -> bool:
        line = self._seen[number].strip()
        bare, dashed = line.strip(" *-_=\t"), line.startswith("--") and line.endswith("--")
        if dashed and ADDRESS.search(bare):
            return says_wrote(bare)  # Notes
        return words.fold(bare) in words.ORIGINAL and (dashed or bool(RULE.fullmatch(line)))

    def _rule_is_history(self, number: int) -> bool:
        below = self._below(number)
        end = header_block(self._seen, below, announced=True) if below < len(self._seen) else below
        return self._block_is_history(below, end) if end > below else self._is_reply

    # --- what stands around -------------------------------------------------------------------------------

    def _below(self, number: int) -> int:
        """The next line with anything on it, over a few blank ones."""
        below = number + 1
        while below < len(self._seen) and below - number <= _GAP and not self._seen[below].strip():
            below += 1
        return below

    def _around(self, begin: int, quotation: int) -> list[str]:
        """The lines above `begin`, and own ones below the quotation; all of them where the answers are in between."""
        if quotation >= len(self._seen) or not self._quoted[quotation]:
            return self._lines[:begin]  # the history is not marked: it goes to the end
        tail = self._tail_of(quotation)
        if self._is_interleaved(quotation) or (tail and not self._is_reply):
            return self._lines
        return self._lines[:begin] + tail

    def _tail_of(self, quotation: int) -> list[str]:
        """Own lines below the last quoted one: an answer at the bottom. Footers are peeled off from below."""
        rest = list(self._lines[max(self._last_quoted, quotation) + 1 :])
        while rest:
            while rest and not rest[-1].strip():
                rest.pop()
            begin = next((n + 1 for n in range(len(rest) - 1, -1, -1) if not rest[n].strip()), 0)
            if not rest or not is_footer(rest[begin:]):
                break
            del rest[begin:]
        return ["", *rest] if rest else []

    def _looks_wrapped(self, number: int) -> bool:
        """The end of a quoted line that the mail program has wrapped without a mark."""
        if number == 0 or number + 1 >= len(self._seen) or self._quoted[number] or not self._quoted[number - 1]:
            return False
        above, line = self._seen[number - 1], self._seen[number].strip()
        if not line or not self._quoted[number + 1] or len(line) > 40 or SENTENCE_END.search(above.strip()):
            return False
        return line[:1].islower() and len(above) + len(line.split()[0]) >= _WRAP_COLUMN

    def _is_interleaved(self, quotation: int) -> bool:
        """Own words between two quoted passages."""
        return any(
            self._seen[number].strip()
            and not self._quoted[number]
            and not (self._wraps and self._looks_wrapped(number))
            and not self._is_nested(number)
            for number in range(quotation, self._last_quoted)
        )

    def _is_nested(self, number: int) -> bool:
        """An attribution within the quotation."""
        line = self._seen[number]
        return bool(says_wrote(line) or ADDRESS.search(line)) and self.attribution(number) is not None
