"""Mails as mail programs write them, made by a grammar: program × language × shape. What is the writer's own is known
by construction. `seed` decides which half a case is in: even ones may be looked at, odd ones are only scored.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from babel.dates import format_date, format_time

NAMES = (
    "Sam Rivera",
    "Ana Pérez",
    "Jörg Müller",
    "Zoë O'Neil",
    "Marta Kowalska",
    "Иван Петров",
    "佐藤 花子",
    "Li Wei",
    "d'Artagnan",
)
OWN = (
    "The key is with Mara.", "Bring the red folder.", "Friday at seven works for me", "See you there!", "Thanks a lot",
    "I will call you at 5.", "Could you send the figures again?", "Bis morgen", "À demain", "Yes", "No, the other one.",
    "On it", "Paid today, receipt below", "Meet me at the station: platform 4", "It costs 12.50, not 20",
    "Wir treffen uns am Montag um 9:30 bei Lena", "https://example.com/menu?page=2", "😀", "ok", "D'accord pour mardi",
    "From Monday on I am away", "Date and place: as always",
)  # fmt: skip
CARDS = (
    "Email: mara@example.com\nBorn: 12 May 1990\nPhone: +15550001111",
    "Organizer: mara@example.com\nDate: 16 Nov 2026\nPlace: Room 4",
    "Nov 29 11:02:01 host: login mara@example.com\nNov 29 11:02:09 host: logout\nNov 29 11:03:00 host: reboot",
    "Name: Mara Stein <mara@example.com>\nFlight: LH 123\nDate: 16.11.2026 09:14",
)  # fmt: skip
FOOTERS = (
    "_______________________________________________\nlist mailing list\nlist@example.org\nhttps://lists.example.org/list",
    "--\nSent from my phone", "This email is confidential and may be privileged.\nIf you are not the recipient, delete it.",
    "Diese Nachricht ist vertraulich.", "-- \nSam Rivera\n+1 555 000 1111",
)  # fmt: skip
HISTORY = (
    "quokka",
    "wombat",
    "numbat",
    "bilby",
    "dugong",
    "potoroo",
    "bettong",
    "cassowary",
    "echidna",
    "galah",
    "emu",
    "kea",
)
# {d} medium date, {l} long date, {s} short date, {t} time, {n} name, {a} address
ATTRIBUTIONS: dict[str, tuple[str, ...]] = {
    "en": ("On {d} at {t} {n} <{a}> wrote:", "On {s} {t}, {n} wrote:", "On {d}, at {t}, {n} <{a}> wrote:",
           "{n} <{a}> wrote on {l}, {t}:", "---- On {d} {t} {n} <{a}> wrote ----", "On {l} {t}, {n} wrote:"),
    "de": ("Am {d} um {t} schrieb {n} <{a}>:", "Am {s} um {t} schrieb {n}:", "{n} <{a}> schrieb am {d}, {t}:",
           "Am {l} {t} schrieb {n} <{a}>:"),
    "fr": ("Le {d} à {t}, {n} <{a}> a écrit :", "Le {s} à {t}, {n} a écrit :", "{n} <{a}> a écrit le {d} {t}:"),
    "es": ("El {d} a las {t}, {n} (<{a}>) escribió:", "El {s} a las {t}, {n} escribió:", "El {l}, {t}, {n} <{a}> escribió:"),
    "pt": ("{n} <{a}> escreveu no dia {d} à(s) {t}:", "Em {s} {t}, {n} escreveu:", "Em {l}, {t}, {n} <{a}> escreveu:"),
    "it": ("Il giorno {d} alle ore {t} {n} <{a}> ha scritto:", "Il {s} {t}, {n} ha scritto:", "Il {d}, {t}, {n} <{a}> ha scritto:"),
    "nl": ("Op {d} om {t} schreef {n} <{a}>:", "Op {s} om {t} schreef {n}:", "{n} <{a}> schreef op {d} {t}:"),
    "da": ("Den {d} kl. {t} skrev {n} <{a}>:", "Den {s} kl. {t} skrev {n}:"),
    "nb": ("{d} kl. {t} skrev {n} <{a}>:", "Den {s} {t}, skrev {n}:"),
    "sv": ("Den {d} kl {t} skrev {n} <{a}>:", "{s} {t} skrev {n} <{a}>:"),
    "fi": ("{d} klo {t} {n} <{a}> kirjoitti:", "{n} kirjoitti {s} klo {t}:"),
    "pl": ("{d} o {t} {n} <{a}> napisał(a):", "W dniu {s} o {t}, {n} pisze:", "Dnia {l}, {t} {n} <{a}> napisał(a):"),
    "cs": ("{d} v {t} {n} <{a}> napsal(a):", "Dne {s} v {t} {n} napsal(a):"),
    "sk": ("{d} o {t} {n} <{a}> napísal(a):", "Dňa {s} o {t} {n} napísal(a):"),
    "hu": ("{n} <{a}> ezt írta (időpont: {d}, {t}):", "{s} {t} keltezéssel, {n} írta:"),
    "ro": ("{d} la {t}, {n} <{a}> a scris:", "Pe {s} {t}, {n} a scris:"),
    "bg": ("На {d} в {t} {n} <{a}> написа:", "На {s} в {t}, {n} написа:"),
    "hr": ("{d} u {t} {n} <{a}> je napisao/la:", "Dana {s} u {t}, {n} je napisao/la:"),
    "sl": ("V V {d} ob {t} je oseba {n} <{a}> napisala:", "Dne {s} ob {t} je {n} napisal(a):"),
    "ru": ("{d} в {t}, {n} <{a}>:", "{s} {t}, {n} пишет:", "{n} <{a}> писал(а) {l} {t}:"),
    "uk": ("{d} о {t} {n} <{a}> пише:", "{s} {t}, {n} пише:"),
    "el": ("Στις {d} {t}, {n} <{a}> έγραψε:", "Στις {s} {t}, ο {n} έγραψε:"),
    "tr": ("{n} <{a}>, {d} tarihinde, saat {t} şunu yazdı:", "{s} {t} tarihinde {n} yazdı:"),
    "he": ("‫בתאריך {d} ב-{t} מאת ‪{n}‬‏ <‪{a}‬‏>:‬", "ב-{s} {t}, {n} כתב:"),
    "ar": ("في {d} {t}، كتب {n} <{a}>:", "بتاريخ {s} {t}، {n} كتب:"),
    "vi": ("Vào {d} lúc {t} {n} <{a}> đã viết:", "Vào {s} {t}, {n} đã viết:"),
    "id": ("Pada {d} pukul {t} {n} <{a}> menulis:", "Pada {s} {t}, {n} menulis:"),
    "ja": ("{l} {t} {n} <{a}>:", "{s} {t}、{n} <{a}>のメール:"),
    "ko": ("{l} {t}, {n} <{a}>님이 작성:", "{s} {t}, {n} <{a}> 작성:"),
    "zh": ("{n} <{a}> 于{l} {t}写道：", "在 {s} {t}，{n} 写道:"),
    "ca": ("Missatge de {n} <{a}> del dia {d} a les {t}:", "El {s} a les {t}, {n} ha escrit:"),
    "et": ("Kuupäev {d} kell {t} kirjutas {n} <{a}>:", "{n} <{a}> kirjutas {s} kell {t}:"),
    "lt": ("{s}, {t} {n} <{a}> rašė:", "{n} <{a}> rašė {d} {t}:"),
    "th": ("ในวันที่ {d} เวลา {t} {n} <{a}> เขียนว่า:",),
}  # fmt: skip
BLOCKS: dict[str, tuple[str, str, str, str, str]] = {
    "en": ("From", "Sent", "To", "Subject", "Original Message"),
    "de": ("Von", "Gesendet", "An", "Betreff", "Ursprüngliche Nachricht"),
    "fr": ("De", "Envoyé", "À", "Objet", "Message d'origine"),
    "es": ("De", "Enviado", "Para", "Asunto", "Mensaje original"),
    "pt": ("De", "Enviado", "Para", "Assunto", "Mensagem original"),
    "it": ("Da", "Inviato", "A", "Oggetto", "Messaggio originale"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp", "Oorspronkelijk bericht"),
    "da": ("Fra", "Sendt", "Til", "Emne", "Oprindelig meddelelse"),
    "sv": ("Från", "Skickat", "Till", "Ämne", "Ursprungligt meddelande"),
    "fi": ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe", "Alkuperäinen viesti"),
    "pl": ("Od", "Wysłano", "Do", "Temat", "Wiadomość oryginalna"),
    "cs": ("Od", "Odesláno", "Komu", "Předmět", "Původní zpráva"),
    "hu": ("Feladó", "Elküldve", "Címzett", "Tárgy", "Eredeti üzenet"),
    "ro": ("De la", "Trimis", "Către", "Subiect", "Mesaj original"),
    "ru": ("От", "Отправлено", "Кому", "Тема", "Исходное сообщение"),
    "uk": ("Від", "Надіслано", "Кому", "Тема", "Оригінальне повідомлення"),
    "el": ("Από", "Στάλθηκε", "Προς", "Θέμα", "Αρχικό μήνυμα"),
    "tr": ("Kimden", "Gönderildi", "Kime", "Konu", "Özgün İleti"),
    "ja": ("差出人", "送信日時", "宛先", "件名", "元のメッセージ"),
    "ko": ("보낸 사람", "보낸 날짜", "받는 사람", "제목", "원본 메시지"),
    "zh": ("发件人", "发送时间", "收件人", "主题", "原始邮件"),
}
FORWARD_LINES: dict[str, str] = {
    "en": "Forwarded message", "de": "Weitergeleitete Nachricht", "fr": "Message transféré", "es": "Mensaje reenviado",
    "pt": "Mensagem encaminhada", "it": "Messaggio inoltrato", "nl": "Doorgestuurd bericht", "da": "Videresendt meddelelse",
    "sv": "Vidarebefordrat meddelande", "fi": "Välitetty viesti", "pl": "Przekazana wiadomość", "cs": "Přeposlaná zpráva",
    "hu": "Továbbított üzenet", "ro": "Mesaj redirecționat", "ru": "Пересылаемое сообщение", "uk": "Переслане повідомлення",
    "el": "Προωθημένο μήνυμα", "tr": "İletilen mesaj", "ja": "転送されたメッセージ", "ko": "전달된 메시지", "zh": "转发的邮件",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """`expected` is what a reader would call the writer's own; for a forward, everything."""

    id: int
    shape: str
    subject: str
    is_reply: bool
    plain: str | None
    html: str | None
    expected: str
    forward: bool = False


SHAPES = (
    "attribution", "attribution, no blank line", "attribution, wrapped", "block", "block, no rule", "block, bold",
    "html", "html, gmail", "footer below", "card inside", "agenda, no history", "answer below", "interleaved",
    "rule only", "two deep", "forward, subject", "forward, edited subject", "forward, block", "nothing of the kind",
)  # fmt: skip


def cases(count: int, *, first: int = 0, step: int = 1) -> Iterator[Case]:
    for number in range(first, first + count * step, step):
        yield case(number)


def case(number: int) -> Case:
    dice = random.Random(number * 7919 + 13)  # noqa: S311 - a corpus
    shape = SHAPES[number // 2 % len(SHAPES)]
    return _Maker(dice, number, shape).make()


class _Maker:
    def __init__(self, dice: random.Random, number: int, shape: str) -> None:
        self.dice, self.number, self.shape = dice, number, shape
        self.language = dice.choice(sorted(ATTRIBUTIONS))
        self.block_language = dice.choice(sorted(BLOCKS))
        self.topic = dice.choice(("Dinner", "Ticket 4711", "Lunch?", "Résumé", "会議", "Отчёт"))

    def make(self) -> Case:  # noqa: C901 - a list of shapes
        own = self.own()
        history = self.history()
        quoted = "\n".join("> " + line if line else ">" for line in history.split("\n"))
        reply = self.dice.choice(("Re: ", "RE: ", "AW: ", "SV: ", "Re[2]: ")) + self.topic
        intro = self.attribution()
        match self.shape:
            case "attribution":
                return self.case(reply, f"{own}\n\n{intro}\n{self.gap()}{quoted}\n", own)
            case "attribution, no blank line":
                return self.case(reply, f"{own}\n{intro}\n{quoted}\n", own)
            case "attribution, wrapped":
                return self.case(reply, f"{own}\n\n{self.wrapped(intro)}\n{self.gap()}{quoted}\n", own)
            case "block":
                return self.case(reply, f"{own}\n\n{self.rule()}\n{self.block()}\n\n{history}\n", own)
            case "block, no rule":
                return self.case(reply, f"{own}\n\n{self.block()}\n\n{history}\n", own)
            case "block, bold":
                return self.case(
                    reply, f"{own}\n\n________________________________\n{self.block(bold=True)}\n\n{history}\n", own
                )
            case "html":
                body = (
                    f"{self.as_html(own)}<br><br>{_escaped(intro)}<br><blockquote>{self.as_html(history)}</blockquote>"
                )
                return self.case(reply, None, own, html=f"<html><body>{body}</body></html>")
            case "html, gmail":
                quote = f'<div class="gmail_quote">{_escaped(intro)}<br><blockquote>{self.as_html(history)}</blockquote></div>'
                return self.case(reply, None, own, html=f"<div dir=ltr>{self.as_html(own)}</div><br>{quote}")
            case "footer below":
                return self.case(reply, f"{own}\n\n{intro}\n{quoted}\n\n{self.dice.choice(FOOTERS)}\n", own)
            case "card inside":
                own = f"{own}\n\n{self.dice.choice(CARDS)}\n\nSay hi from me"
                return self.case(reply, f"{own}\n\n{intro}\n\n{quoted}\n", own)
            case "agenda, no history":
                own = f"{own}\n{self.dice.choice(CARDS)}\n{self.own()}"
                return self.case(reply, f"{own}\n", own)
            case "answer below":
                return self.case(reply, f"{intro}\n{quoted}\n\n{own}\n", own)
            case "interleaved":
                text = f"{intro}\n{quoted}\n\n{own}\n\n{quoted}\n\n{self.own()}\n"
                return self.case(reply, text, text)
            case "rule only":
                text = f"{own}\n\n-----{BLOCKS[self.block_language][4]}-----\n{history}\n"
                return self.case(reply, text, own)
            case "two deep":
                deeper = "\n".join(f"> {line}" for line in f"{self.attribution()}\n{quoted}".split("\n"))
                return self.case(reply, f"{own}\n\n{intro}\n{quoted}\n>\n{deeper}\n", own)
            case "forward, subject":
                text = (
                    f"{own}\n\n---------- {FORWARD_LINES[self.block_language]} ---------\n{self.block()}\n\n{history}\n"
                )
                return self.case(
                    self.dice.choice(("Fwd: ", "WG: ", "TR: ", "VB: ", "Fw: ")) + self.topic, text, text, forward=True
                )
            case "forward, edited subject":
                text = (
                    f"{own}\n\n---------- {FORWARD_LINES[self.block_language]} ---------\n{self.block()}\n\n{history}\n"
                )
                return self.case("Our trip", text, text, forward=True)
            case "forward, block":
                text = f"{own}\n\n{self.block()}\n\n{history}\n"
                return self.case("Our trip", text, text, forward=True)
            case _:
                return self.case(self.topic, f"{own}\n\n{self.own()}\n", f"{own}\n\n{self.own_again()}")

    def case(
        self, subject: str, plain: str | None, expected: str, *, html: str | None = None, forward: bool = False
    ) -> Case:
        if self.shape == "nothing of the kind":
            expected = plain or ""
        is_reply = self.shape not in ("forward, subject", "nothing of the kind")
        return Case(self.number, self.shape, subject, is_reply, plain, html, expected.strip(), forward)

    def own(self) -> str:
        lines = self.dice.sample(OWN, self.dice.randint(1, 4))
        return ("\n" if self.dice.random() < 0.5 else "\n\n").join(lines)

    def own_again(self) -> str:
        return ""

    def history(self) -> str:
        words = [self.dice.choice(HISTORY) for _ in range(self.dice.randint(4, 30))]
        lines, line = [], ""
        for word in words:
            line = f"{line} {word}".strip()
            if len(line) > 60:
                lines.append(line)
                line = ""
        return "\n".join([*lines, line, "", self.dice.choice(HISTORY)]).strip("\n")

    def gap(self) -> str:
        return "\n" if self.dice.random() < 0.5 else ""

    def moment(self) -> datetime:
        return datetime(
            2026,
            self.dice.randint(1, 12),
            self.dice.randint(1, 28),
            self.dice.randint(0, 23),
            self.dice.randint(0, 59),
            tzinfo=UTC,
        )

    def attribution(self) -> str:
        moment, name = self.moment(), self.dice.choice(NAMES)
        locale = {"zh": "zh_CN", "nb": "nb"}.get(self.language, self.language)
        return self.dice.choice(ATTRIBUTIONS[self.language]).format(
            d=format_date(moment, "medium" if self.dice.random() < 0.6 else "EEE, d MMM y", locale=locale),
            l=format_date(moment, "long", locale=locale),
            s=format_date(moment, "short", locale=locale),
            t=format_time(moment, "short", locale=locale, tzinfo=UTC),
            n=name,
            a=f"{self.dice.choice(('sam', 'ana.p', 'j-m'))}@example.com",
        )

    def wrapped(self, line: str) -> str:
        limit, rows, row = self.dice.randint(30, 60), [], ""
        for word in line.split(" "):
            if row and len(row) + len(word) > limit:
                rows.append(row)
                row = word
            else:
                row = f"{row} {word}".strip()
        return "\n".join([*rows, row])

    def rule(self) -> str:
        return self.dice.choice(("________________________________", f"-----{BLOCKS[self.block_language][4]}-----"))

    def block(self, *, bold: bool = False) -> str:
        sender, sent, to, subject, _ = BLOCKS[self.block_language]
        locale = {"zh": "zh_CN"}.get(self.block_language, self.block_language)
        moment = self.moment()
        when = f"{format_date(moment, 'full', locale=locale)} {format_time(moment, 'short', locale=locale, tzinfo=UTC)}"
        rows = (
            (sender, f"{self.dice.choice(NAMES)} <sam@example.com>"),
            (sent, when),
            (to, "ana@example.com"),
            (subject, self.topic),
        )
        return "\n".join(f"*{label}:* {value}" if bold else f"{label}: {value}" for label, value in rows)

    def as_html(self, text: str) -> str:
        lines = [_escaped(line) for line in text.split("\n")]
        if self.dice.random() < 0.5:
            return "<br>".join(lines)
        return "".join(f"<div>{line or '<br>'}</div>" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
