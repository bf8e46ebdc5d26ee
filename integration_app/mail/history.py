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
from integration_app.mail.signs import (
    ABBREVIATION,
    ADDRESS,
    AMBIGUOUS_SUBJECT,
    BRACKETED,
    CLOCK,
    COLON,
    DATE,
    INVISIBLE,
    LABEL,
    LINE_MAX,
    LOOKED_AT_MAX,
    ONE_LINE,
    RULE,
    SENTENCE_END,
    STARTS,
    bare_subject,
    head,
    header_block,
    is_forward_line,
    is_forward_subject,
    is_quoted,
    is_reply_subject,
    is_scandinavian_forward,
    lacking,
    says_wrote,
    without_signature,
)

_ATTRIBUTION_LINES = 5
_FOOTER_LINES = 40
_GAP = 3
"""Blank lines between an attribution and its quotation."""


@dataclass(frozen=True, slots=True)
class Split:
    """`own` is what to deliver; `history` what was cut, "" where nothing was."""

    own: str
    history: str = ""


def split_history(text: str, *, subject: str = "", is_reply: bool = False) -> Split:
    """Take the mail that is answered, and a signature behind the exact delimiter `-- `, off a reply.

    `is_reply` when the headers say so (In-Reply-To, References); a subject like "Re:" says it too.
    """
    lines = text.split("\n")
    page = _Page(lines, is_reply=is_reply or is_reply_subject(subject), subject=subject)
    kept = without_signature(page.own())
    own = "\n".join(kept).strip()
    return Split(own, lacking(lines, kept)) if own else Split(text)


def is_forward(text: str, subject: str = "", *, is_reply: bool = False) -> bool:
    """Whether the history is the message: the subject says so, or a line that is not part of an answered mail."""
    lines = text[:LOOKED_AT_MAX].split("\n")
    if AMBIGUOUS_SUBJECT.match(subject[:20]):
        return is_scandinavian_forward(lines) or any(is_forward_line(line) for line in lines)
    if is_forward_subject(subject):
        return True
    first = next((number for number, line in enumerate(lines) if is_forward_line(line)), None)
    if first is not None:
        page = _Page(lines, is_reply=True, subject=subject)
        above = page.attribution_above(first)
        return not above
    quoted = next((n for n, line in enumerate(lines) if is_quoted(line) and is_forward_line(line, quoted=True)), None)
    if quoted is not None and not any(is_quoted(line) for line in lines[:quoted]):
        return not _Page(lines, is_reply=True, subject=subject).attribution_above(quoted)
    return False


def attribution_in(lines: list[str]) -> tuple[int, int] | None:
    """The first attribution that these lines hold: its first and its last line."""
    page = _Page(lines, is_reply=True, subject="")
    for last, line in enumerate(lines):
        if line.strip() and (first := page.attribution(last)) is not None:
            return first, last
    return None


class _Page:
    """The lines of one body, and what can be seen on them."""

    def __init__(self, lines: list[str], *, is_reply: bool, subject: str) -> None:
        self._lines = lines
        self._seen = [INVISIBLE.sub("", line[:LINE_MAX]).rstrip("\r") for line in head(lines)]
        self._quoted = [is_quoted(line) for line in self._seen]
        self._is_reply = is_reply
        self._subject = subject

    def own(self) -> list[str]:
        """The lines that are the writer's own."""
        quotation_seen = False
        for number, line in enumerate(self._seen):
            if not line.strip():
                continue
            if self._quoted[number]:
                if self._is_reply and not quotation_seen and not self._is_interleaved(number):
                    return self._around(number, number)  # unannounced
                quotation_seen = True
                continue
            found = self._cut_at(number)
            if found is not None:
                return found
        return self._lines

    def attribution_above(self, number: int) -> bool:
        return any(self.attribution(row) is not None for row in range(number) if self._seen[row].strip())

    # --- candidates ---------------------------------------------------------------------------------------

    def _cut_at(self, number: int) -> list[str] | None:
        """The own lines, if history begins at this one."""
        begin = self.attribution(number)
        if begin is not None:
            return self._around(begin, self._below(number))
        if self._is_reply and (own := self._inline(number)) is not None:
            return own
        if not self._is_reply:
            return None
        block = header_block(self._seen, number)
        if block > number and self._block_is_history(number, block):
            above = number - 1 if number > 0 and RULE.fullmatch(self._seen[number - 1]) else number
            return self._lines[:above]
        if self._is_original_rule(number):
            return self._lines[:number]
        return None

    def attribution(self, last: int) -> int | None:
        """The first line of an attribution that ends at `last`; None when none does.

        Grown upwards: the shortest run that holds what an attribution holds.
        """
        line = self._seen[last].strip()
        if self._quoted[last] or not line:
            return None
        below = self._below(last)
        quoted_below = below < len(self._seen) and self._quoted[below]
        ends = bool(COLON.search(line)) or says_wrote(line)
        if not ends and not (quoted_below and ADDRESS.search(line)):
            return None
        if not quoted_below and not (self._is_reply and self._anything_below(last)):
            return None
        run, undated = "", None
        for number in range(last, max(-1, last - _ATTRIBUTION_LINES), -1):
            row = self._seen[number].strip()
            ends_sentence = number < last and SENTENCE_END.search(row) and not ABBREVIATION.search(row)
            if not row or self._quoted[number] or ends_sentence:
                break
            run = f"{row} {run}".strip()
            if self._is_sure(run, quoted_below=quoted_below):
                if DATE.search(run):
                    return self._grown(number, run)
                undated = number if undated is None else undated
        return undated

    def _is_sure(self, run: str, *, quoted_below: bool) -> bool:
        dated, clock = bool(DATE.search(run)), bool(CLOCK.search(run))
        address, wrote = bool(ADDRESS.search(run)), says_wrote(run)
        colon = bool(COLON.search(run))
        if quoted_below:
            score = 2 * dated + clock + 2 * address + 3 * wrote + colon
            if not self._is_reply and not (dated and (BRACKETED.search(run) or (wrote and clock))):
                return False  # a letter that quotes a letter
            return score >= 4 and (dated or (wrote and (address or self._is_reply or colon)))
        bracketed = bool(BRACKETED.search(run))
        if wrote and dated and (bracketed or address or clock):
            return True
        return dated and clock and bracketed and colon

    def _grown(self, first: int, run: str) -> int:
        """With the line above, where the attribution was wrapped between its first words and its date."""
        if first == 0 or STARTS.match(self._seen[first]):
            return first
        above = self._seen[first - 1].strip()
        wrapped = above and not self._quoted[first - 1] and not SENTENCE_END.search(above) and len(above) < 100
        dated = above.endswith(",") or DATE.search(above) or BRACKETED.search(above)
        if wrapped and ((STARTS.match(above) and dated) or (BRACKETED.search(above) and not ADDRESS.search(run))):
            return first - 1
        return first

    def _inline(self, number: int) -> list[str] | None:
        """ "Fine. On Monday … wrote:" on one line, in front of a quotation."""
        below = self._below(number)
        if below >= len(self._seen) or not self._quoted[below]:
            return None
        found = ONE_LINE.fullmatch(self._seen[number])
        if not found:
            return None
        run = found.group(2)
        if not (self._is_sure(run, quoted_below=True) and (COLON.search(run) or says_wrote(run))):
            return None
        return [*self._lines[:number], found.group(1), *self._tail_of(below)]

    def _block_is_history(self, number: int, end: int) -> bool:
        """A block of headers in a mail whose subject is another one's is a forward with an edited subject."""
        if is_reply_subject(self._subject) or not self._subject.strip():
            return True
        for line in self._seen[number:end]:
            found = LABEL.fullmatch(line)
            if found and words.fold(found.group(1).strip(" *_")) in words.SUBJECT:
                return bare_subject(found.group(2)) == bare_subject(self._subject)
        return True

    def _is_original_rule(self, number: int) -> bool:
        low = words.fold(self._seen[number].strip(" *-_=\t"))
        return len(low) < 60 and low.startswith(words.ORIGINAL) and bool(RULE.fullmatch(self._seen[number]))

    # --- what stands around -------------------------------------------------------------------------------

    def _below(self, number: int) -> int:
        """The next line with anything on it, over a few blank ones."""
        below = number + 1
        while below < len(self._seen) and below - number <= _GAP and not self._seen[below].strip():
            below += 1
        return below

    def _anything_below(self, number: int) -> bool:
        return any(line.strip() for line in self._seen[number + 1 :])

    def _around(self, begin: int, quotation: int) -> list[str]:
        """The lines above `begin`, and own ones below the quotation; all of them where the answers are in between."""
        if quotation >= len(self._seen) or not self._quoted[quotation]:
            return self._lines[:begin]  # the history is not marked: it goes to the end
        tail = self._tail_of(quotation)
        if self._is_interleaved(quotation):
            return self._lines
        return self._lines[:begin] + tail

    def _tail_of(self, quotation: int) -> list[str]:
        """Own lines below the last quoted one: an answer at the bottom. Footers are none."""
        last = max(number for number, quoted in enumerate(self._quoted) if quoted)
        last = max(last, quotation)
        begin = self._behind_wrapped(last)
        rest = self._lines[begin:]
        if not any(line.strip() for line in rest) or self._is_footer(rest):
            return []
        return ["", *rest]

    def _behind_wrapped(self, last: int) -> int:
        """Behind the end of a long quoted line that the mail program has wrapped without a mark."""
        number = last + 1
        if number < len(self._seen) and self._is_wrapped(number):
            return number + 1
        return number

    def _is_wrapped(self, number: int) -> bool:
        """A short line right below a long quoted one, with nothing or more quotation below it."""
        above = self._seen[number - 1] if number else ""
        line = self._seen[number].strip()
        if not line or self._quoted[number] or not self._quoted[number - 1] or len(above) < 65 or len(line) > 40:
            return False
        below = self._seen[number + 1].strip() if number + 1 < len(self._seen) else ""
        continues = not SENTENCE_END.search(above.strip()) and (line[:1].islower() or line[:1] in "(<0123456789")
        return continues and (not below or self._quoted[number + 1])

    def _is_interleaved(self, quotation: int) -> bool:
        """Own words between two quoted passages."""
        last = max(number for number, quoted in enumerate(self._quoted) if quoted)
        return any(
            self._seen[number].strip()
            and not self._quoted[number]
            and not self._is_wrapped(number)
            and self.attribution(number) is None
            for number in range(quotation, last)
        )

    def _is_footer(self, rest: list[str]) -> bool:
        """What a list, a company or a mail program puts below: a signature, a rule, words that give it away."""
        said = [line.strip() for line in rest if line.strip()]
        if len(said) > _FOOTER_LINES:
            return False
        if said[0] in ("--", "-- ", "—", "- -") or rest[0].rstrip("\r") == "-- ":
            return True
        if RULE.fullmatch(said[0][:LINE_MAX]):
            return True
        low = " ".join(said)[:600].casefold()
        return any(word in low for word in words.FOOTERS)
