"""One body: plain text or HTML, the writer's own words, and the history that was cut off them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from integration_app.mail.bounds import TAGS_MAX
from integration_app.mail.history import ATTRIBUTION_LINES, is_forward, points_below, split_history
from integration_app.mail.html import html_to_text
from integration_app.mail.signs import is_reply_subject

TEXT_MAX = 1_000_000
"""Characters of text taken out of one mail."""
STUB_SHARE = 0.05
_STUB_MAX = 400
_STUB_TIMES = 3
_STUB_WORDS = 40
_POINTING = (
    "browser", "html", "webversion", "web version", "navigateur", "navegador", "браузер", "przegląd", "ブラウザ",
    "浏览器", "瀏覽器",
)  # fmt: skip
_URL = re.compile(r"[(<\[]?https?://\S{1,2000}")

_CLOSES = re.compile(r"</(?:html|body|div|p|table)\s*>", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(r"\s*<(?:!doctype|html|body|div|p|table)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Body:
    """One body, cut. `history` is what was cut; a forward is never cut."""

    text: str
    history: str = ""
    is_forward: bool = False


def within(text: str) -> str:
    """As much as is ever looked at, and a word where there was more."""
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[:TEXT_MAX]}\n\n[Cut here: {len(text) - TEXT_MAX:,} more characters were left out]"


@dataclass(frozen=True, slots=True)
class _Mail:
    """What is known of the mail that a body is of."""

    subject: str
    is_reply: bool
    follows: bool
    whole: bool


def choose_body(
    plain: str | None,
    html: str | None,
    *,
    subject: str = "",
    is_reply: bool = False,
    tags: int = TAGS_MAX,
    follows: bool = False,
    whole: bool = False,
) -> Body:
    """The plain text, unless it is empty, a stub ("view in browser") or HTML in disguise; then the HTML's text.

    `follows`: parts before this one have words. `whole`: nothing is cut.
    """
    mail = _Mail(subject, is_reply, follows, whole)
    plain, html = plain or "", html or ""
    if plain.strip() and _LOOKS_LIKE_HTML.match(plain[:200]) and _CLOSES.search(plain):
        plain, html = "", html or plain
    if not html.strip():
        return _cut(within(plain), mail)
    if not plain.strip():
        return _html_body(html, mail, tags)
    if len(plain.strip()) < _STUB_MAX:
        rendered = _html_body(html, mail, tags)
        if _is_stub(plain, rendered.text):
            return rendered
    return _cut(within(plain), mail)


def _is_stub(plain: str, rendered: str) -> bool:
    """A plain text that only says where the mail is to be seen."""
    if len(plain.strip()) < STUB_SHARE * len(rendered):
        return True
    said = _URL.sub("", plain).casefold().split()
    if len(rendered) < _STUB_TIMES * len(" ".join(said)) or len(said) > _STUB_WORDS:
        return False
    there = set(rendered.casefold().split())
    return any(word in " ".join(said) for word in _POINTING) or sum(word in there for word in said) < len(said) / 2


def _cut(text: str, mail: _Mail) -> Body:
    if mail.whole:
        return Body(text)
    if is_forward(text, mail.subject):
        return Body(text, is_forward=True)
    split = split_history(text, subject=mail.subject, is_reply=mail.is_reply, follows=mail.follows)
    return Body(split.own, split.history)


def _html_body(html: str, mail: _Mail, tags: int) -> Body:
    """A reply without its history, where something is left; mail programs wrap forwards into the same containers."""
    text = within(html_to_text(html, tags=tags))
    replies = mail.is_reply or is_reply_subject(mail.subject)
    if mail.whole or not replies or is_forward(text, mail.subject) or _answers_inside(text):
        return _cut(text, mail)
    own = within(html_to_text(html, drop_history=True, tags=tags))
    if not own.strip() or own == text or points_below(own):
        return _cut(text, mail)
    cut, seen = _cut(own, mail), _cut(text, mail)
    if seen.history and cut.text.startswith(seen.text) and _lines(cut.text) - _lines(seen.text) <= ATTRIBUTION_LINES:
        cut = seen  # the container does not hold its attribution
    return Body(cut.text, text, cut.is_forward)


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.split("\n"))


def _answers_inside(text: str) -> bool:
    """Something unquoted stands below something quoted: the answers are in between, or below."""
    lines = [line for line in text.split("\n") if line.strip()]
    quoted = [line.startswith(">") for line in lines]
    return True in quoted and False in quoted[quoted.index(True) :]
