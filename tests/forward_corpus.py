"""Forwarded mails as mail programs write them, made by a grammar: program × language × date. Whose mail it is, what
about and from when is known by construction. Even numbers may be looked at, odd ones are only scored.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from babel.dates import format_date, format_time

from tests.mail_corpus import BLOCKS, FORWARD_LINES, HISTORY, NAMES, OWN

APPLE = {
    "en": ("Begin forwarded message:", "Date"), "de": ("Anfang der weitergeleiteten Nachricht:", "Datum"),
    "fr": ("Début du message réexpédié :", "Date"), "es": ("Inicio del mensaje reenviado:", "Fecha"),
    "it": ("Inizio messaggio inoltrato:", "Data"), "nl": ("Begin doorgestuurd bericht:", "Datum"),
    "pt": ("Início da mensagem reencaminhada:", "Data"), "sv": ("Vidarebefordrat brev:", "Datum"),
    "da": ("Start på videresendt besked:", "Dato"), "pl": ("Początek przekazywanej wiadomości:", "Data"),
    "ru": ("Начало переадресованного сообщения:", "Дата"), "ja": ("転送されたメッセージ:", "日付"),
}  # fmt: skip
PROGRAMS = (
    "gmail",
    "outlook",
    "outlook, rule",
    "apple",
    "apple, quoted",
    "thunderbird",
    "yahoo",
    "outlook mac",
    "roundcube",
)


@dataclass(frozen=True, slots=True)
class ForwardCase:
    id: int
    program: str
    subject: str
    plain: str
    name: str
    address: str
    about: str
    written: datetime
    zone: timezone


def forward_cases(count: int, *, first: int = 0, step: int = 1) -> Iterator[ForwardCase]:
    for number in range(first, first + count * step, step):
        yield forward_case(number)


def forward_case(number: int) -> ForwardCase:
    dice = random.Random(number * 104_729 + 7)  # noqa: S311 - a corpus
    program = PROGRAMS[number // 2 % len(PROGRAMS)]
    language = dice.choice(sorted(APPLE if program.startswith("apple") else BLOCKS))
    zone = timezone(timedelta(hours=dice.randint(-9, 10)))
    written = datetime(
        2026, dice.randint(1, 12), dice.randint(1, 28), dice.randint(0, 23), dice.randint(0, 59), tzinfo=zone
    )
    name, address = dice.choice(NAMES), f"{dice.choice(('sam', 'ana.p', 'j-m', 'x'))}@example.com"
    about = dice.choice(
        ("Dinner", "Ticket 4711: gate 7", "Lunch?", "Résumé – final", "会議", "Отчёт за май", "Keys (2)")
    )
    sender, sent, to, subject, original = BLOCKS[language]
    note = dice.choice((*OWN, "", ""))
    body = " ".join(dice.choice(HISTORY) for _ in range(dice.randint(3, 12)))
    if dice.random() < 0.3:
        body += f"\n\n-- \n{name}\n+1 555 000 1111"
    person = f"{name} <{address}>"
    locale = {"zh": "zh_CN"}.get(language, language)
    local = written.replace(tzinfo=None)
    clock = format_time(local, "short", locale=locale)
    long = f"{format_date(local, 'full', locale=locale)} {clock}"
    pattern = "full" if language in ("ja", "zh", "ko") else "EEE, d MMM y"
    medium = f"{format_date(local, pattern, locale=locale)} {clock}"
    rfc = format_datetime(written)
    if program == "gmail":
        head = f"---------- {FORWARD_LINES[language]} ---------\n{sender}: *{name}* <{address}>\nDate: {medium}\nSubject: {about}\nTo: <me@example.com>"
    elif program.startswith("outlook") and program != "outlook mac":
        rule = (
            f"-----{original}-----\n" if "rule" in program else dice.choice(("", "________________________________\n"))
        )
        head = f"{rule}{sender}: {person}\n{sent}: {long}\n{to}: Me <me@example.com>\n{subject}: {about}"
    elif program.startswith("apple"):
        line, date = APPLE[language]
        rows = [f"{sender}: {person}", f"{subject}: {about}", f"{date}: {medium}", f"{to}: me@example.com"]
        mark = "> " if "quoted" in program else ""
        head = "\n".join([f"{mark}{line}", mark.strip(), *(mark + row for row in rows)])
        body = "\n".join(mark + row for row in body.split("\n"))
    elif program == "thunderbird":
        head = f"-------- {FORWARD_LINES[language]} --------\n{subject}: \t{about}\n{dice.choice((sent, 'Date'))}: \t{rfc}\n{sender}: \t{person}\n{to}: \tme@example.com"
    elif program == "yahoo":
        line, labels = "Forwarded Message", ("From", "To", "Sent", "Subject")
        moment = f"{format_date(local, 'EEEE, d MMMM y', locale='en')} {format_time(local, 'short', locale='en')}"
        head = f"----- {line} ----- {labels[0]}: {person} {labels[1]}: me@example.com {labels[2]}: {moment} {labels[3]}: {about}"
    elif program == "outlook mac":
        about_subject = f"FW: {about}"
        moment = f"{format_date(local, 'short', locale='en_US')}, {format_time(local, 'short', locale='en_US')}"
        head = f'On {moment}, "{name}" <{address}> wrote:'
        return ForwardCase(
            number,
            program,
            about_subject,
            f"{note}\n\n{head}\n\n{body}\n".lstrip(),
            name,
            address,
            about,
            written.astimezone(UTC),
            zone,
        )
    else:
        head = f"-------- {original} --------\n{subject}: {about}\n{dice.choice((sent, 'Date'))}: {local:%Y-%m-%d %H:%M}\n{sender}: {person}\n{to}: me@example.com"
    prefix = dice.choice(("Fwd: ", "FW: ", "WG: ", "TR: ", "I: ", "")) + about
    gap = "\n" if dice.random() < 0.7 else ""
    plain = f"{note}\n{gap}{head}\n\n{body}\n".lstrip()
    return ForwardCase(number, program, prefix, plain, name, address, about, written.astimezone(UTC), zone)
