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


def fold(text: str) -> str:
    """For comparing: no case, and none of the dots that Turkish capitals leave behind."""
    return text.casefold().replace("\u0307", "")


def _all(field: str) -> tuple[str, ...]:
    found = {fold(word) for language in LANGUAGES.values() for word in language[field]}
    return tuple(sorted(found, key=lambda word: (-len(word), word)))


STARTS, WROTE = _all("starts"), _all("wrote")
SENDER, SENT, TO, SUBJECT = (frozenset(_all(field)) for field in ("sender", "sent", "to", "subject"))
ORIGINAL, FORWARDED = _all("original"), _all("forwarded")
LABELS = SENDER | SENT | TO | SUBJECT

REPLY_PREFIXES = (
    "re|aw|sv|antw|odp|odg|r|rif|res|ref|atb|ynt|yan|vá|vs|回复|回覆|答复|返信|답장|תשובה|رد|отв|на|απ|σχετ|bls|ats|ré"
)
FORWARD_PREFIXES = (
    "fwd?|wg|tr|rv|rvs|enc|vl|vb|vbs|doorst|pd|pr|i|fs|továbbítás|továbbítva|転送|转发|轉寄|전달|הועבר|إعادة توجيه|"
    "пересл?|videresend|ilt|i\u0307lt|redir|πρθ|προωθ|trs|edast|prosl|preposlané|posr"
)
SCANDINAVIAN = frozenset(map(fold, (*LANGUAGES["da"]["sender"], *LANGUAGES["nb"]["sender"])))
FOOTERS = (
    "unsubscribe", "mailing list", "you received this", "this email", "this e-mail", "this message", "confidential",
    "disclaimer", "privileged", "to view this discussion", "sent from my", "sent via", "sent with", "get outlook",
    "abmelden", "vertraulich", "diese e-mail", "diese nachricht", "gesendet von", "von meinem", "ce message",
    "cet e-mail", "ce courriel", "confidentiel", "envoyé de", "este mensaje", "este correo", "confidencial",
    "enviado desde", "enviado do", "esta mensagem", "questo messaggio", "riservat", "inviato da", "dit bericht",
    "vertrouwelijk", "verzonden vanaf", "denne e-post", "denne e-mail", "fortrolig", "sendt fra", "skickat från",
    "konfidentiell", "lähetetty", "luottamuksellinen", "wysłano z", "poufn", "odesláno z", "důvěrn", "отправлено с",
    "конфиденциальн", "надіслано з", "iphone'umdan", "gizli", "στάλθηκε από", "から送信", "에서 보냄", "发自我的",
    "傳送自我的",
    "please consider the environment", "virus", "avast", "scanned by", "_______", "-------",
)  # fmt: skip
"""How what a mail program, a list or a company puts below a mail gives itself away."""
