"""The pages' languages: each a file `translations/<code>/messages.po`, read as it is, without a build step."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, g, request, session

FOLDER = Path(__file__).parent / "translations"


@cache
def languages() -> tuple[str, ...]:
    """English, and one for each file."""
    return ("en", *sorted(path.parent.name for path in FOLDER.glob("*/messages.po")))


@cache
def _translations(language: str) -> NullTranslations:
    path = FOLDER / language / "messages.po"
    if not path.exists():
        return NullTranslations()
    made = io.BytesIO()
    with path.open("rb") as file:
        write_mo(made, read_po(file, locale=language))
    made.seek(0)
    return Translations(made)


def chosen() -> str:
    """What the page was asked in, else what the browser prefers."""
    if "language" not in g:
        asked = request.args.get("lang") or (session.get("lang", "") if current_app.secret_key else "")
        g.language = asked if asked in languages() else request.accept_languages.best_match(languages()) or "en"
        if request.args.get("lang") in languages() and current_app.secret_key:
            session["lang"] = g.language
    language: str = g.language
    return language


def install(app: Flask) -> None:
    """`{% trans %}`, `_()` and `ngettext()` in the page's language."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        lambda text: _translations(chosen()).ugettext(text),
        lambda one, many, count: _translations(chosen()).ungettext(one, many, count),
        newstyle=True,
    )
    app.jinja_env.globals["page_language"] = chosen


def say(text: str, **values: Any) -> str:
    """A sentence in the page's language."""
    said: str = _translations(chosen()).ugettext(text)
    return said % values if values else said
