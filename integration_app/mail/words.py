"""Words of mail programs, by language: what stands above the mail that is answered or forwarded.

The data lie in `words.toml`, with their sources; a new language is a table there. The rules in `history` and `forwards`
know no language.
"""

from __future__ import annotations

import tomllib
from importlib import resources

LANGUAGES: dict[str, dict[str, list[str]]] = tomllib.loads(
    resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
)


_COMMON = {"to": ("cc", "bcc", "to"), "sent": ("date",)}
"""Labels that programs leave in English."""


def fold(text: str) -> str:
    """For comparing: no case, and none of the dots that Turkish capitals leave behind."""
    return text.casefold().replace("\u0307", "")


def _all(field: str) -> tuple[str, ...]:
    found = {fold(word) for language in LANGUAGES.values() for word in language[field]}
    return tuple(sorted(found, key=lambda word: (-len(word), word)))


STARTS, WROTE = _all("starts"), _all("wrote")
SENDER, SENT, TO, SUBJECT = (frozenset(_all(field)) for field in ("sender", "sent", "to", "subject"))
ORIGINAL, FORWARDED = _all("original"), _all("forwarded")
FOLDED = {
    code: {field: frozenset(map(fold, [*found, *_COMMON.get(field, ())])) for field, found in language.items()}
    for code, language in LANGUAGES.items()
}
"""Labels by language, as they are compared."""
LABELS = SENDER | SENT | TO | SUBJECT

REPLY_PREFIXES = (
    r"re(?:\^\d)?|aw|sv|antw|odp|odg|r|rif|res|ref|atb|ynt|yan|vá|vs|回复|回覆|答复|返信|답장|תשובה|رد|отв|на|απ|σχετ|bls|ats|ré|"
    "réf|vast|reply|antwort|antwoord|svar|odpowiedź|odpověď|risposta|respuesta|resposta|réponse|ответ|відповідь|"
    "trả lời|ตอบกลับ|yanıt"
)
FORWARD_PREFIXES = (
    "fwd?|wg|tr|rv|rvs|enc|vl|vb|vbs|doorst|pd|pr|i|fs|továbbítás|továbbítva|転送|转发|轉寄|전달|הועבר|إعادة توجيه|"
    "пересл?|videresend|ilt|i\u0307lt|redir|πρθ|προωθ|trs|edast|prosl|preposlané|posr"
)
QUOTING = ("quoting ", "zitat von ", "citando ", "mensaje citado por ", "cytowanie ")
"""How Horde begins an attribution, which has no date."""
SCANDINAVIAN = frozenset(map(fold, (*LANGUAGES["da"]["sender"], *LANGUAGES["nb"]["sender"])))
SENT_WITH = (
    "sent from", "sent via", "get outlook", "gesendet von", "gesendet mit", "von meinem", "envoyé de", "envoyé depuis",
    "enviado desde", "enviado do", "enviado de", "inviato da", "verzonden vanaf", "verzonden met", "sendt fra",
    "skickat från", "lähetetty", "wysłano z", "wysłane z", "odesláno z", "отправлено с", "отправлено из", "надіслано з",
    "στάλθηκε από", "发自我的", "傳送自我的", "发自", "iphone'umdan",
)  # fmt: skip
DEVICES = (
    "iphone", "ipad", "ipod", "apple", "mac", "android", "samsung", "galaxy", "pixel", "huawei", "xiaomi", "redmi",
    "oneplus", "oppo", "motorola", "nokia", "xperia", "blackberry", "windows", "outlook", "gmail", "yahoo", "aol",
    "proton", "tuta", "gmx", "web.de", "telekom", "orange", "verizon", "yandex", "яндекс", "mail", "почт", "mobile",
    "mobil", "phone", "handy", "tablet", "téléphone", "móvil", "celular", "telefon", "телефон", "puhelin", "device",
    "手机", "hotmail", "spark", "thunderbird", "superhuman",
)  # fmt: skip
SENT_LAST = ("gesendet", "gesendet.", "verschickt", "geschickt")
"""How a device or a program signs a mail: it begins so, names itself, and says no more; German may say it last."""
LISTS = (
    "unsubscribe", "to unsubscribe", "you received this message because", "to view this discussion",
    "please consider the environment", "this email has been checked for viruses",
)  # fmt: skip
LISTED = ("://", "@", "www.", "subscribed", "printing", "drucken", "antivirus", "avast", "avg")
"""How a list, or a program that looks for viruses, ends a mail; it names an address, or what it is about."""
LEGAL_STARTS = (
    "this email", "this e-mail", "this message", "the information", "the contents", "confidential", "disclaimer",
    "notice", "diese e-mail", "diese nachricht", "der inhalt", "ce message", "cet e-mail", "ce courriel",
    "este mensaje", "este correo", "esta mensagem", "questo messaggio", "dit bericht", "deze e-mail",
    "denne e-post", "denne e-mail",
)  # fmt: skip
LEGAL = (
    "confiden", "privileged", "recipient", "unauthori", "dissemin", "vertraulich", "empfänger", "irrtümlich",
    "unbefugt", "riservat", "vertrouwelijk", "geadresseerde", "fortrolig", "konfidentiell", "destinata", "destinatá",
    "erreur", "error", "mottaker", "modtager", "mottagare",
)  # fmt: skip
"""How a company ends a mail: it begins so, and says two of the last."""
