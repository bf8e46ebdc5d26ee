"""HTML to readable text: lexbor parses, an iterative walker lays it out. No style sheet, no script, no network.

Hidden text is dropped: it is either a preheader trick or an attempt to say something to the machine alone.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from integration_app.mail import words
from integration_app.mail.bounds import TAGS_MAX, link_target, within_bounds
from integration_app.mail.signs import ADDRESS, DATE

HTML_MAX = 2_000_000
"""Characters of HTML that are looked at."""
LINKS_MAX = 25
_EMOJI_MAX = 14

_SKIP = frozenset((
    "script", "style", "head", "title", "template", "svg", "math", "noscript", "noembed", "noframes", "datalist",
    "dialog", "iframe", "object", "embed", "select", "textarea", "button", "canvas", "audio", "video", "-comment",
    "!doctype",
))  # fmt: skip
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
    "section", "table", "tbody", "thead", "tfoot", "tr", "ul",
))  # fmt: skip
_PARAGRAPHS = frozenset(["p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "pre", "blockquote"])
_LISTS = ("ul", "ol")
_COMMENT = re.compile(r"/\*.{0,200}?\*/", re.DOTALL)
_ZERO = re.compile(r"0*\.?0+(?:px|em|rem|pt|%)?\Z")
_FAR_AWAY = re.compile(r"-\d{4,}")
_SPACE = re.compile(r"[ \t\r\n\f]+")

_QUOTES = ", ".join(
    (
        "blockquote[type=cite]",
        ".gmail_quote",
        ".moz-cite-prefix",
        ".yahoo_quoted",
        ".protonmail_quote",
    )
)
_QUOTE_BEGINS = "#divRplyFwdMsg, #appendonsend, #mail-editor-reference-message-container"
"""Outlook puts no container around history: everything from such a mark on is history."""


def html_to_text(html: str, *, drop_history: bool = False, tags: int = TAGS_MAX) -> str:
    """The text a reader would see, blocks on lines of their own, quotations behind `> `.

    `drop_history` removes the containers in which mail programs put the mail that is answered.
    """
    parser = LexborHTMLParser(within_bounds(html[:HTML_MAX], tags))
    if drop_history:
        _drop_history(parser)
    root = parser.body or parser.root
    return _layout(root) if root is not None else ""


def _drop_history(parser: LexborHTMLParser) -> None:
    for mark in parser.css(_QUOTE_BEGINS):
        node: LexborNode | None = mark
        while node is not None and node.tag not in ("body", "html"):
            while (following := node.next) is not None:
                following.decompose()
            node = node.parent
        mark.decompose()
    # looked at before anything goes: what announces one quotation may be in the way of another
    for quote in [row for row in parser.css(_QUOTES) if not (_is_formatting(row) or _is_unannounced(row))]:
        if quote.parent is None:
            continue
        announced = quote.css_first(".gmail_attr")
        if announced is not None and announced.parent is not None and announced.parent.mem_id == quote.mem_id:
            while (following := announced.next) is not None:  # what is typed above it is the writer's
                following.decompose()
            announced.decompose()
        else:
            quote.decompose()


def _is_formatting(quote: LexborNode) -> bool:
    """Gmail marks a quotation that the writer has made like one of its own, but outside of any container."""
    if quote.tag != "blockquote" or "gmail_quote" not in (quote.attributes.get("class") or ""):
        return False
    above = quote.parent
    while above is not None and above.tag not in ("body", "html"):
        if "gmail_" in (above.attributes.get("class") or ""):
            return False
        above = above.parent
    return True


def _is_unannounced(quote: LexborNode) -> bool:
    """A bare quotation below nothing that says whose it is: the writer's own, as far as can be told."""
    if quote.tag != "blockquote" or "gmail_quote" in (quote.attributes.get("class") or ""):
        return False
    near = quote.text(deep=True, separator=" ", strip=True)[:300]
    before, steps = quote.prev, 0
    while before is not None and steps < 6:
        near += " " + before.text(deep=True, separator=" ", strip=True)[-300:]
        before, steps = before.prev, steps + 1
    if quote.parent is not None and quote.parent.prev is not None:
        near += " " + quote.parent.prev.text(deep=True, separator=" ", strip=True)[-300:]
    low = words.fold(near)
    return not (DATE.search(near) or ADDRESS.search(near) or any(word in low for word in words.WROTE))


class _Page:
    """Lines in the making. Runs of white space collapse across elements, as on a screen."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.said = False  # the line has more on it than a bullet or a separator
        self.indented = False  # what the line begins with is kept
        self.lists: list[int | None] = []  # the number of the next item, where items have one
        self.quotes = 0
        self.link_begins = 0
        self.links: set[str] = set()

    def text(self, text: str) -> None:
        collapsed = _SPACE.sub(" ", text)
        if collapsed.startswith(" ") and (not self.line or self.line[-1].endswith(" ")):
            collapsed = collapsed[1:]
        if collapsed:
            self.line.append(collapsed)
            self.said = self.said or collapsed != " "

    def text_as_it_stands(self, text: str) -> None:
        """With its blanks and its line ends."""
        first, *others = text.replace("\r", "").split("\n")
        self._piece(first)
        for row in others:
            self.line_break()
            self._piece(row)

    def _piece(self, text: str) -> None:
        if text:
            self.indented = self.indented or not self.line
            self.line.append(text)
            self.said = self.said or not text.isspace()

    def item(self) -> None:
        number = self.lists[-1] if self.lists else None
        if number is not None:
            self.lists[-1] = number + 1
        self.indented = True
        self.line.append("  " * (min(len(self.lists), 8) - 1) + ("- " if number is None else f"{number}. "))

    def is_bullet(self) -> bool:
        """Nothing but the mark of an item is on the line."""
        return bool(self.line) and not self.said and bool(self.line[0].strip())

    def end_line(self) -> None:
        line = "".join(self.line)
        line = line.rstrip() if self.indented else line.strip()
        self.line = []
        self.said = self.indented = False
        if line:
            self.lines.append("> " * min(self.quotes, 5) + line)

    def link(self, href: str) -> None:
        """The target behind its words, where they do not say it; each target once, a sensible number of them."""
        said = "".join(self.line[self.link_begins :]).strip()
        target = link_target(href)
        if not said or not target or target in self.links or len(self.links) >= LINKS_MAX:
            return
        bare = target.partition("://")[2].removeprefix("www.").rstrip("/").casefold()
        if bare in said.casefold() or bare.partition("/")[0] == said.casefold():
            return
        self.links.add(target)
        self.line.append(f" <{target}>")

    def line_break(self) -> None:
        """A second one in a row is a blank line, as on a screen."""
        if not "".join(self.line).strip() and self.lines and self.lines[-1]:
            self.lines.append("")
        self.end_line()

    def end_paragraph(self) -> None:
        self.end_line()
        if self.lines and self.lines[-1]:
            self.lines.append("")


def _layout(root: LexborNode) -> str:
    page = _Page()
    # node, whether it opens or closes, whether an inherited font size of nothing hides its text, and whether its blanks
    # and line ends count
    todo: list[tuple[LexborNode, bool, bool, bool]] = [(root, True, False, False)]
    while todo:
        node, opening, tiny, is_set = todo.pop()
        tag = (node.tag or "").lower()
        if not opening:
            _close(page, tag, node)
            continue
        if tag == "-text":
            if not tiny:
                (page.text_as_it_stands if is_set else page.text)(node.text(deep=False))
        elif tag == "br":
            page.line_break()
        elif tag == "img":
            page.text(_alt(node))
        elif tag not in _SKIP and not _is_hidden(style := _style(node), node):
            tiny = bool(_ZERO.match(style["font-size"])) if "font-size" in style else tiny
            space = style.get("white-space", "pre" if tag == "pre" else "")
            is_set = space.startswith(("pre", "break-spaces")) if space else is_set
            _open(page, "div" if tag == "blockquote" and _is_indent(style) else tag, node)
            todo.append((node, False, tiny, is_set))
            todo.extend((child, True, tiny, is_set) for child in reversed(list(node.iter(include_text=True))))
    page.end_line()
    return "\n".join(page.lines).strip()


def _open(page: _Page, tag: str, node: LexborNode) -> None:
    if tag in _BLOCKS and (tag in _LISTS or not page.is_bullet()):  # the text of an item goes behind its bullet
        (page.end_paragraph if tag in _PARAGRAPHS and not (tag in _LISTS and page.lists) else page.end_line)()
    if tag in _LISTS:
        start = (node.attributes.get("start") or "1").strip()[:5]
        page.lists.append(None if tag == "ul" else int(start) if start.isdecimal() else 1)
    elif tag == "li":
        page.item()
    elif tag == "blockquote":
        page.quotes += 1
    elif tag == "a":
        page.link_begins = len(page.line)
    elif tag in ("td", "th") and page.line:
        page.line.append(" | " if page.said else "")


def _close(page: _Page, tag: str, node: LexborNode) -> None:
    if tag == "a":
        page.link(node.attributes.get("href") or "")
    if tag in _LISTS and page.lists:
        page.lists.pop()
    if tag in _PARAGRAPHS and not (tag in _LISTS and page.lists):
        page.end_paragraph()
    elif tag in _BLOCKS:
        page.end_line()
    if tag == "blockquote" and not _is_indent(_style(node)):
        page.quotes = max(0, page.quotes - 1)


def _is_indent(style: dict[str, str]) -> bool:
    """The button that indents: a margin, and no border to say that it is a quotation."""
    border = style.get("border", "")
    return "margin" in style and (border.startswith(("none", "0")))


def _style(node: LexborNode) -> dict[str, str]:
    """The inline style, the last declaration of a name wins, as in a browser."""
    text = _COMMENT.sub("", (node.attributes.get("style") or "")[:10_000]).lower()
    pairs = (row.partition(":") for row in text.split(";"))
    return {name.strip(): value.replace("!important", "").strip() for name, _, value in pairs}


def _is_hidden(style: dict[str, str], node: LexborNode) -> bool:
    """Hidden from every reader. A font size of nothing is not among it: children may set their own."""
    clipped = "hidden" in style.get("overflow", "") and any(
        _ZERO.match(style.get(name, "")) for name in ("height", "max-height", "width", "max-width")
    )
    away = any(_FAR_AWAY.match(style.get(name, "")) for name in ("left", "top", "text-indent", "margin-left"))
    return (
        clipped
        or away
        or style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or style.get("color") == "transparent"
        or bool(_ZERO.match(style.get("opacity", "")))
        or "hidden" in node.attributes
    )


def _alt(node: LexborNode) -> str:
    """Emoji are often images, of many code points where they are families; a caption longer than one is decoration."""
    alt = node.attributes.get("alt") or ""
    return alt if len(alt) <= 4 or (len(alt) <= _EMOJI_MAX and not any(map(str.isalnum, alt))) else ""
