"""Positive signs of a mail that is answered or forwarded: dates, addresses, labels, prefixes, quotation marks. Pure.

All patterns are linear and run on single, bounded lines: anyone may write to an inbox.
"""

from __future__ import annotations

import re

from integration_app.mail import words

LOOKED_AT_MAX = 200_000
"""Characters in which history is looked for."""
LINE_MAX = 400
BLOCK_LINES = 40
_ROWS_MAX = 12
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
QUOTE = re.compile(r"\s{0,8}[>\uff1e]")
ADDRESS = re.compile(r"[^\s<>@\"'()\[\]:;,]{1,64}@[^\s<>@\"'()\[\]:;,]{1,190}")
BRACKETED = re.compile(r"[<(\[](?:mailto:)?" + ADDRESS.pattern)
CLOCK = re.compile(
    r"(?<!\d)\d{1,2}\s?[:.h\u6642\u65f6]\s?\d{2}(?!\d)|(?<!\d)\d{1,2}\s?(?:am|pm|a\.m|p\.m)\b", re.IGNORECASE
)
MONTHS = (
    "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mai|okt|dez|des|avr|juin|juil|août|aout|déc|fév|ene|abr|ago|dic|"
    "gen|mag|giu|lug|set|ott|mrt|maa|mei|maj|syys|loka|marras|joulu|tammi|helmi|huhti|touko|kesä|heinä|elo|"
    "sty|lut|kwi|cze|lip|sie|wrz|paź|paz|lis|gru|led|úno|uno|bře|bre|dub|kvě|kve|čer|cer|srp|zář|zar|říj|rij|pro|"
    "янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек|січ|лют|бер|кві|тра|чер|лип|сер|вер|жов|лис|гру|"
    "ιαν|φεβ|μαρ|απρ|μα[ϊι]|ιουν|ιουλ|αυγ|σεπ|οκτ|νοε|δεκ|oca|şub|sub|nis|haz|tem|ağu|agu|eyl|eki|kas|ara|"
    "szept|okt|nov|febr|márc|marc|ápr|apr|máj|jún|júl|ian|iun|iul|noi|ліс|"
    "ינו|פבר|מרץ|אפר|מאי|יונ|יול|אוג|ספט|אוק|נוב|דצמ|يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر|"
    "جن|ฟ|ม|ก|ส|ต|พ|ธ|tháng|thg|जन|फ़र|मार्च|अप्रै|मई|जून|जुल|अग|सित|अक्|नव|दिस|"
    "jaan|veebr|märts|aprill|juuni|juuli|rugs|spal|lapkr|gruod|saus|vas|kov|bal|geg|birž|liep|rugp|janv|febr|"
    "ژانویه|فوریه|مارس|آوریل|نوامبر|دسامبر|اکتبر|سپتامبر|siječ|velj|ožuj|trav|svib|lip|srp|kol|ruj|list|stud|pros"
)
DATE = re.compile(
    r"(?<!\d)(?:\d{4}|\d{1,2})\s?[-/.\u5e74\ub144]\s?(?:\d{1,2}|[^\W\d_]{3,5}\.?)\s?(?:[-/.\u6708\uc6d4]\s?\d{1,4})"
    r"|(?<!\d)\d{1,2}(?:\.|st|nd|rd|th|er|\u00ba)?,?\s+(?:de\s+|d[\u2019'])?[^\W\d_][^\s\d,]{0,14}[.'\u05f3]?,?\s+(?:de\s+|del\s+)?\d{4}(?!\d)"
    r"|[^\W\d_]{3,14}\.?,?\s+\d{1,2}(?:st|nd|rd|th|\.)?,?\s+\d{4}(?!\d)"
    r"|(?<!\d)\d{4}\.?\s+(?:m\.\s+)?[^\W\d_]{3,14}\.?\s+\d{1,2}(?!\d)"
    r"|(?<!\d)\d{1,2}\.?\s?(?:" + MONTHS + r")[^\W\d_]{0,9}\.?(?!\w)"
    r"|(?<!\w)(?:" + MONTHS + r")[^\W\d_]{0,9}\.?\s\d{1,2}(?!\d)",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|\d{1,2}[./-]\d{1,2}[./-]\d\d(?!\d)")
LABEL = re.compile(r"[\s|]{0,4}[*_]{0,2}\s?([^\W\d_][^:\uff1a|\n]{0,28}?)\s?[*_]{0,2}\s?[:\uff1a|]\s?[*_]{0,2}\s*(.*)")
RULE = re.compile(r"\s{0,4}(?:[_\-=\u2014\u2015\u2500*]{5,}|[-_=]{2,}\s?[^-_=]{3,60}(?:-[^-_=]{2,40})?\s?[-_=]{2,})\s*")
_RULED = re.compile(r"[-_=*]{2,20}\s?([^-_=*]{3,80}?)\s?[-_=*]{2,20}(?=\s|$)")
SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f;\u061f][\"'\u201d\u2019)*]*$")
ABBREVIATION = re.compile(r"(?:^|[\s(])[^\W\d_]{1,5}\.$|\d\.$")
COLON = re.compile(r"[:\uff1a]\s*[*_]{0,2}$")
STARTS = re.compile(r"[*_\s]{0,3}(?:" + "|".join(map(re.escape, words.STARTS)) + r")[\s,]", re.IGNORECASE)
START_INSIDE = re.compile(
    r"(?<=[\s.!?\u2026)])(?:"
    + "|".join(re.escape(word[0].upper() + word[1:]) for word in words.STARTS if len(word) > 1)
    + r")\s"
)
"""Where an attribution may begin within a line."""
POINTS_BELOW = re.compile(
    r"\b(?:(?:see|my|answers?|answered|comments?|repl(?:y|ies|ied)|respon(?:se|ses|ded)|notes?|thoughts)\b.{0,40}\b"
    r"(?:below|in-?line|in (?:red|blue|green|bold|colou?r)|interspersed)"
    r"|(?:siehe|antwort\w*|kommentar\w*|anmerkung\w*)\b.{0,40}\b(?:unten|inline|in (?:rot|blau|grün))"
    r"|(?:voir|répon\w+|commentaires?)\b.{0,40}\b(?:ci-dessous|plus bas|en (?:rouge|bleu|vert))"
    r"|(?:ver|respuestas?|respond\w+|comentarios?)\b.{0,40}\b(?:abajo|en (?:rojo|azul|verde))"
    r"|(?:ver|respostas?|respond\w+|comentários?)\b.{0,40}\b(?:abaixo|em (?:vermelho|azul))"
    r"|(?:vedi|rispos\w+|comment\w+)\b.{0,40}\b(?:sotto|in (?:rosso|blu))"
    r"|(?:zie|antwoord\w*|opmerking\w*)\b.{0,40}\b(?:hieronder|in het (?:rood|blauw))"
    r"|(?:se|svar\w*)\b.{0,40}\b(?:nedenfor|nedan|inline)|(?:см|ответ\w*)\b.{0,40}\bниже)\b",
    re.IGNORECASE,
)
ADDRESS_LAST = re.compile(r"[<(\[](?:mailto:)?[^\s<>()\[\]]{1,64}@[^\s<>()\[\]]{1,190}[>)\]]\S{0,4}\s?[:\uff1a]\s*$")
REPLY_SUBJECT = re.compile(rf"\s*(?:{words.REPLY_PREFIXES})(?:\[\d+\]|\(\d+\)|\d)?\s?\.?\s*[:\uff1a]", re.IGNORECASE)
FORWARD_SUBJECT = re.compile(rf"\s*(?:{words.FORWARD_PREFIXES})(?:\[\d+\])?\s?\.?\s*[:\uff1a]", re.IGNORECASE)
AMBIGUOUS_SUBJECT = re.compile(r"\s*vs\s*[:\uff1a]", re.IGNORECASE)
_MARK = re.compile(
    r"^\s*(?:\[[^\[\]\n]{1,40}\]|\*{1,5}\s?[A-Z ]{2,20}?\s?\*{1,5}|(?:external|extern|ext|caution|spam)\s?:)\s*",
    re.IGNORECASE,
)
"""What lists, gateways and filters put in front of a subject."""
_MARKS_MAX = 4
PREFIXES = re.compile(
    rf"(?:\s*(?:{words.REPLY_PREFIXES}|{words.FORWARD_PREFIXES})(?:\[\d+\])?\s?\.?\s*[:\uff1a])+", re.IGNORECASE
)


def is_reply_subject(subject: str) -> bool:
    """Whether a subject begins as that of an answer does."""
    return bool(REPLY_SUBJECT.match(_unmarked(subject)))


def is_forward_subject(subject: str) -> bool:
    return bool(FORWARD_SUBJECT.match(_unmarked(subject)))


def _unmarked(subject: str) -> str:
    bare = subject[:200]
    for _ in range(_MARKS_MAX):
        bare = _MARK.sub("", bare)
    return bare


def bare_subject(subject: str) -> str:
    """Without prefixes and marks such as [EXTERNAL], in lower case: the same for a mail and its answers."""
    bare = subject[:300]
    while (less := PREFIXES.sub("", _MARK.sub("", bare), count=1)) != bare:
        bare = less
    return " ".join(bare.casefold().split())


def is_quoted(line: str) -> bool:
    return bool(QUOTE.match(line[:20]))


def is_forward_line(line: str, *, quoted: bool = False) -> bool:
    """The line that mail programs put above a forwarded mail. A quoted one belongs to the history, unless asked for.

    A sentence that begins with such words is none: the line is a rule, ends in a colon, or says nothing else.
    """
    bare = line[:200].strip(" >\t" if quoted else " \t")
    ruled = _RULED.match(bare)  # a whole head may stand behind it on the same line
    low = words.fold((ruled[1] if ruled else bare).strip(" *-_:=\t"))
    if not low or len(low) >= 90 or not low.startswith(words.FORWARDED):
        return False
    return bare.startswith(("--", "__", "==", "**")) or bool(COLON.search(bare)) or low in words.FORWARDED


def header_block(lines: list[str], start: int, *, announced: bool = False) -> int:
    """Where a block of headers that begins at `start` ends; `start` when there is none.

    Known labels of one language: From (or the date right above it), Subject, and a third; a date with a time, or an
    address. A value may be folded, or stand on the line below its label. `announced`: a rule stands above, so any label
    may be the first.
    """
    rows: list[tuple[str, str, str]] = []
    number = start
    gap = False
    while number < min(start + BLOCK_LINES, len(lines)):
        line = lines[number][:LINE_MAX]
        found = label_of(line)
        if found is None:
            folded = rows and line.strip() and (line[:1] in " \t" or is_value(lines[number - 1], line))
            blank = len(rows) in (1, 2) and not line.strip() and not gap and followed(lines, number)
            if not folded and not blank:
                break
            gap = gap or not line.strip()
            if folded:
                kind, label, value = rows[-1]
                rows[-1] = (kind, label, f"{value} {line.strip()}")
        else:
            if len(rows) > _ROWS_MAX:
                return start
            if not rows and not announced and found[0] not in ("sender", "sent"):
                return start
            if _begins_anew(rows, found, gap=gap):
                return start
            rows.append(found)
        number += 1
    return number if _is_block(rows) else start


def _begins_anew(rows: list[tuple[str, str, str]], found: tuple[str, str, str], *, gap: bool) -> bool:
    """Whether the rows so far are lines of the writer's, like "Date: next Friday", right above a block."""
    before = [value for kind, _, value in rows if kind == found[0]]
    if found[0] == "sender" and ADDRESS.search(found[2]) and before:
        return not any(map(ADDRESS.search, before))
    if found[0] == "sent":
        return bool(before) and (gap or rows[0][0] == "sent")
    return gap and found[0] == "sender" and bool(before)


def _is_block(rows: list[tuple[str, str, str]]) -> bool:
    kinds = {kind for kind, _, _ in rows}
    if len(rows) < 3 or not {"sender", "subject"} <= kinds:
        return False
    # Gmail and Roundcube translate some labels only
    english = words.FOLDED["en"]
    one_language = any(
        all(label in language[kind] or label in english[kind] for kind, label, _ in rows)
        for language in words.FOLDED.values()
    )
    sender = next(value for kind, _, value in rows if kind == "sender")
    if not one_language or re.fullmatch(r"[\d:.h\s]*(?:[AaPp][Mm])?", sender):
        return False
    dated = any(kind == "sent" and DATE.search(value) and CLOCK.search(value) for kind, _, value in rows)
    return dated or any(ADDRESS.search(value) for _, _, value in rows)


def label_of(line: str) -> tuple[str, str, str] | None:
    """Kind, label and value of a line of a head; None for any other line."""
    kind = kind_of_label(line)
    found = LABEL.fullmatch(line)
    if kind is None or found is None:
        return None
    return kind, words.fold(found.group(1).strip(" *_")), found.group(2).strip(" *|")


def followed(lines: list[str], number: int) -> bool:
    return number + 1 < len(lines) and kind_of_label(lines[number + 1][:LINE_MAX]) is not None


def is_value(above: str, line: str) -> bool:
    """The value of a label that stands alone, or the end of an address that was wrapped."""
    found = LABEL.fullmatch(above[:LINE_MAX])
    return bool(found and not found.group(2).strip(" *")) or bool(re.fullmatch(r"\s*[<(]?\S+@\S+[>)]?[;,]?\s*", line))


def kind_of_label(line: str) -> str | None:
    found = LABEL.fullmatch(line)
    if not found:
        return None
    label = words.fold(found.group(1).strip(" *_"))
    # From before To: "a" and "de" are both in several languages, and From stands first
    for kind, known in (("sender", words.SENDER), ("subject", words.SUBJECT), ("sent", words.SENT), ("to", words.TO)):
        if label in known:
            return kind
    return None


def is_scandinavian_forward(lines: list[str]) -> bool:
    """`VS:` is a forward in Danish and Norwegian, a reply in Finnish: what stands below decides."""
    for line in lines[:400]:
        found = LABEL.fullmatch(line[:LINE_MAX])
        if found and words.fold(found.group(1).strip(" *_")) in words.SCANDINAVIAN:
            return True
    return False


def says_wrote(run: str) -> bool:
    """Whether a line ends in a word for "wrote", as a word of its own."""
    low = words.fold(run[-60:].rstrip(" *_:\uff1a\u200f\u202c-"))
    if not low.endswith(words.WROTE):
        return False
    word = next(word for word in words.WROTE if low.endswith(word))
    before = low[-len(word) - 1 : -len(word)]
    return not before.isalpha() or word[0] >= "\u0e00"


def head(lines: list[str]) -> list[str]:
    size = 0
    for number, line in enumerate(lines):
        size += len(line) + 1
        if size > LOOKED_AT_MAX:
            return lines[:number]
    return lines


def lacking(lines: list[str], kept: list[str]) -> str:
    """What `kept` lacks of `lines`, in order."""
    common = 0
    while common < len(kept) and common < len(lines) and kept[common] == lines[common]:
        common += 1
    ending = 0
    while ending < len(kept) - common and kept[-1 - ending] == lines[-1 - ending]:
        ending += 1
    return "\n".join(lines[common : len(lines) - ending]).strip("\n")
