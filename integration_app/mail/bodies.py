"""One body: plain text or HTML, the writer's own words, and the history that was cut off them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from integration_app.mail.bounds import TAGS_MAX
from integration_app.mail.history import is_forward, split_history
from integration_app.mail.html import html_to_text
from integration_app.mail.signs import is_reply_subject

TEXT_MAX = 1_000_000
"""Characters of text taken out of one mail."""
STUB_SHARE = 0.05

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


def choose_body(
    plain: str | None,
    html: str | None,
    *,
    subject: str = "",
    is_reply: bool = False,
    tags: int = TAGS_MAX,
    whole: bool = False,
) -> Body:
    """The plain text, unless it is empty, a stub ("view in browser") or HTML in disguise; then the HTML's text."""
    plain, html = plain or "", html or ""
    if plain.strip() and _LOOKS_LIKE_HTML.match(plain[:200]) and _CLOSES.search(plain):
        plain, html = "", html or plain
    cut = _taken_whole if whole else _cut
    if not html.strip():
        return cut(within(plain), subject, is_reply)
    if not plain.strip():
        return _html_body(html, subject, is_reply, tags, whole=whole)
    if len(plain.strip()) < 400:
        rendered = _html_body(html, subject, is_reply, tags, whole=whole)
        if len(plain.strip()) < STUB_SHARE * len(rendered.text):
            return rendered
    return cut(within(plain), subject, is_reply)


def _taken_whole(text: str, subject: str, is_reply: bool) -> Body:
    return Body(text)


def _cut(text: str, subject: str, is_reply: bool) -> Body:
    if is_forward(text, subject):
        return Body(text, is_forward=True)
    split = split_history(text, subject=subject, is_reply=is_reply)
    return Body(split.own, split.history)


def _html_body(html: str, subject: str, is_reply: bool, tags: int, *, whole: bool) -> Body:
    """A reply without its history, where something is left; mail programs wrap forwards into the same containers."""
    text = within(html_to_text(html, tags=tags))
    if whole:
        return Body(text)
    replies = is_reply or is_reply_subject(subject)
    if not replies or is_forward(text, subject) or _answers_inside(text):
        return _cut(text, subject, is_reply)
    own = within(html_to_text(html, drop_history=True, tags=tags))
    if not own.strip() or own == text:
        return _cut(text, subject, is_reply)
    cut = _cut(own, subject, is_reply)
    return Body(cut.text, text, cut.is_forward)


def _answers_inside(text: str) -> bool:
    """Something unquoted stands below something quoted: the answers are in between, or below."""
    lines = [line for line in text.split("\n") if line.strip()]
    quoted = [line.startswith(">") for line in lines]
    return True in quoted and False in quoted[quoted.index(True) :]
