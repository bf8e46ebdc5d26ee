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
    "re|aw|sv|antw|antwoord|odp|odg|r|rif|res|ref|atb|ynt|yan|vá|vs|回复|回覆|答复|返信|답장|תשובה|رد|отв|на|απ|"
    "σχετ|bls|ats|ré"
)
FORWARD_PREFIXES = (
    "fwd?|wg|tr|rv|rvs|enc|vl|vb|vbs|doorst|pd|pr|i|fs|továbbítás|továbbítva|転送|转发|轉寄|전달|הועבר|إعادة توجيه|"
    "пересл?|videresend|ilt|i\u0307lt|redir|πρθ|προωθ|trs|edast|prosl|preposlané|posr"
)
SCANDINAVIAN = frozenset(map(fold, (*LANGUAGES["da"]["sender"], *LANGUAGES["nb"]["sender"])))
FOOTERS = (
    "sent from my", "sent via", "get outlook", "unsubscribe", "to unsubscribe", "you received this message because",
    "to view this discussion", "gesendet von mein", "von meinem", "envoyé de mon", "envoyé depuis mon",
    "enviado desde mi", "enviado do meu", "inviato da", "verzonden vanaf", "sendt fra min", "skickat från min",
    "lähetetty", "wysłano z", "odesláno z", "отправлено с", "надіслано з", "στάλθηκε από",
    "iphone'umdan", "发自我的", "傳送自我的",
    "please consider the environment", "this email has been checked for viruses",
)  # fmt: skip
LEGAL_STARTS = (
    "this email", "this e-mail", "this message", "the information", "the contents", "confidential", "disclaimer",
    "notice", "diese e-mail", "diese nachricht", "der inhalt", "ce message", "cet e-mail", "ce courriel",
    "este mensaje", "este correo", "esta mensagem", "questo messaggio", "dit bericht", "deze e-mail",
    "denne e-post", "denne e-mail",
)  # fmt: skip
LEGAL = (
    "confidential", "privileged", "intended recipient", "vertraulich", "confidentiel", "confidencial", "riservat",
    "vertrouwelijk", "fortrolig", "konfidentiell", "destinataire", "destinatari",
)  # fmt: skip
"""How what a mail program, a list or a company puts below a mail begins; a legal notice also says one of the last."""
