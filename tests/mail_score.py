"""`make mail-score`: own words kept, forwards kept, history cut – ours beside the libraries, on the half nobody looked at.

`python -m tests.mail_score --seen` scores the other half and shows what went wrong.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from difflib import SequenceMatcher
from email.utils import format_datetime

import click

from integration_app.mail import mail_of
from integration_app.mail.bodies import choose_body
from integration_app.model import Content
from tests.forward_corpus import ForwardCase, forward_cases
from tests.mail_corpus import HISTORY, SHAPES, Case, cases

Cutter = Callable[[Case], str]


def ours(case: Case) -> str:
    return choose_body(case.plain, case.html, subject=case.subject, is_reply=case.is_reply).text


def cutters() -> dict[str, Cutter]:
    found: dict[str, Cutter] = {"ours": ours}
    for name, make in (
        ("mail-parser-reply", _mail_parser_reply),
        ("email-reply-parser", _email_reply_parser),
        ("quotequail", _quotequail),
    ):
        try:
            found[name] = make()
        except ImportError:
            click.echo(f"{name} is not installed: pip install -r requirements-dev.lock", err=True)
    return found


def _plain(case: Case) -> str:
    if case.plain is not None:
        return case.plain
    from integration_app.mail.html import html_to_text

    return html_to_text(case.html or "")


def _mail_parser_reply() -> Cutter:
    from mailparser_reply import EmailReplyParser

    languages = ["en", "de", "fr", "es", "it", "nl", "pl", "sv", "da", "ja", "ko", "zh", "cs", "he"]
    return lambda case: EmailReplyParser(languages=languages).parse_reply(text=_plain(case)) or ""


def _email_reply_parser() -> Cutter:
    from email_reply_parser import EmailReplyParser

    return lambda case: EmailReplyParser.parse_reply(_plain(case)) or ""


def _quotequail() -> Cutter:
    import quotequail

    def cut(case: Case) -> str:
        parts = quotequail.quote(_plain(case))
        return "\n".join(text for expanded, text in parts if expanded)

    return cut


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\s>*_\-]+", text)


def grade(case: Case, found: str) -> str:
    """`exact`, `near` (at most 5 % of the words off), `lost` (own words are missing), `left` (history is in it)."""
    expected, got = words_of(case.expected), words_of(found)
    if expected == got:
        return "exact"
    missing = [
        tag
        for tag, _, _, _, _ in SequenceMatcher(None, expected, got, autojunk=False).get_opcodes()
        if tag in ("delete", "replace")
    ]
    own = [word for word in expected if case.forward or word.lower() not in HISTORY]
    if missing and _lacks(own, got):
        return "lost"
    ratio = SequenceMatcher(None, expected, got, autojunk=False).ratio()
    return "near" if ratio >= 0.95 else "left"


def _lacks(own: list[str], got: list[str]) -> bool:
    left = list(got)
    for word in own:
        if word not in left:
            return True
        left.remove(word)
    return False


def score_forwards(count: int, *, seen: bool) -> str:
    """Author, subject and date, all right, by program; what went wrong is shown for the half that may be looked at."""
    right: dict[str, list[bool]] = {}
    shown = 0
    for row in forward_cases(count, first=0 if seen else 1, step=2):
        found = taken_apart(row)
        wrong = [name for name, value in found.items() if not value]
        right.setdefault(row.program, []).append(not wrong)
        if seen and wrong and shown < 8:
            shown += 1
            click.echo(f"=== forward {row.id} {row.program}: {', '.join(wrong)}\n{row.subject}\n{row.plain}\n")
    total = [value for values in right.values() for value in values]
    lines = [f"forwards taken apart rightly: {sum(total) / len(total):.1%} of {len(total)}"]
    return "\n".join(
        [*lines, *(f"  {name:28} {sum(rows) / len(rows):.1%} of {len(rows)}" for name, rows in right.items())]
    )


def taken_apart(row: ForwardCase) -> dict[str, bool]:
    headers = (("subject", row.subject), ("date", format_datetime(row.written.astimezone(row.zone))))
    mail = mail_of(Content(text=row.plain, subject=row.subject, headers=headers))
    if mail.forward is None:
        return {"taken apart": False}
    original = mail.forward.original
    about = original.subject or re.sub(r"^(Fwd|FW|WG|TR|I): ", "", row.subject)
    return {
        "author": (original.name, original.address) == (row.name, row.address),
        "subject": about == row.about,
        "date": original.date == row.written,
    }


@click.command()
@click.option("--count", default=6000, show_default=True)
@click.option("--seen", is_flag=True, help="The half that may be looked at, with what went wrong.")
@click.option("--shape", help="Only this one.")
@click.option("--only", is_flag=True, help="Ours alone.")
def main(count: int, seen: bool, shape: str | None, only: bool) -> None:
    chosen = [row for row in cases(count, first=0 if seen else 1, step=2) if not shape or row.shape == shape]
    shown = 0
    for name, cut in cutters().items() if not only else (("ours", ours),):
        table: dict[str, dict[str, int]] = {row: dict.fromkeys(("exact", "near", "lost", "left"), 0) for row in SHAPES}
        times = []
        for row in chosen:
            began = time.thread_time()
            found = cut(row)
            times.append(time.thread_time() - began)
            result = grade(row, found)
            table[row.shape][result] += 1
            if seen and name == "ours" and result in ("lost", "left") and shown < 12:
                shown += 1
                click.echo(
                    f"=== {row.id} {row.shape}: {result}\n{row.plain or row.html}\n--- got\n{found}\n--- wanted\n{row.expected}\n"
                )
        total = {
            grade_: sum(counts[grade_] for counts in table.values()) for grade_ in ("exact", "near", "lost", "left")
        }
        click.echo(
            f"\n{name}: {_share(total)}; {sorted(times)[len(times) // 2] * 1e6:.0f} µs median, {sorted(times)[-len(times) // 100] * 1e3:.1f} ms p99"
        )
        for row_name, counts in table.items():
            if sum(counts.values()):
                click.echo(f"  {row_name:28} {_share(counts)}")
    click.echo(f"\n{score_forwards(count // 3, seen=seen)}")


def _share(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    return ", ".join(f"{name} {count / whole:6.1%}" for name, count in counts.items()) + f" of {whole}"


if __name__ == "__main__":
    sys.exit(main())
