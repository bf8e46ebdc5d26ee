"""What of HTML is looked at: so many tags, so deep, and of a link what does not follow people. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

LINK_LENGTH_MAX = 300
_TRACKER = re.compile(
    r"utm_|mc_|_hs|hsa_|mkt_|fbclid|gclid|dclid|msclkid|igshid|vero_|oly_|wickedid|ref_src|trk=|trkEmail"
)
TAGS_MAX = 30_000
DEPTH_MAX = 250
TAG_LENGTH_MAX = 4_000
_REST_OF_TAG = re.compile(r"""(?:[^"'>]+|"[^"]*"|'[^']*')*+>""")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_VOID = frozenset(
    ("br", "img", "hr", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr")
)
_CUT_HERE = "<p>[Cut here: the rest of this mail was left out]</p>"


def within_bounds(html: str, tags: int = TAGS_MAX) -> str:
    """Cut where there are more than `tags`, without those that are nested too deeply, and without the attributes of one
    that has too many: parsing is quadratic in both.
    """
    depth, count, begin = 0, 0, 0
    kept: list[str] = []
    for found in _TAG.finditer(html):
        if found.start() < begin:
            continue  # inside a tag that was shortened
        count += 1
        if count > tags:
            return "".join([*kept, html[begin : found.start()], _CUT_HERE])
        if (end := _end_of(html, found.end())) - found.start() > TAG_LENGTH_MAX:
            kept.append(f"{html[begin : found.end()]}>")
            begin = end
        if found[2].lower() in _VOID:
            continue
        depth = max(0, depth - 1) if found[1] else depth + 1
        if depth > DEPTH_MAX or (found[1] and depth == DEPTH_MAX):
            kept.append(html[begin : found.start()])
            begin = max(end, begin)
    return "".join([*kept, html[begin:]]) if kept else html


def _end_of(html: str, at: int) -> int:
    """Behind the `>` that ends a tag, outside of any quotation mark; the end of the text where there is none."""
    if 0 < (end := html.find(">", at)) - at < 200 and '"' not in html[at:end] and "'" not in html[at:end]:
        return end + 1
    found = _REST_OF_TAG.match(html, at)
    return found.end() if found else len(html)


def link_target(href: str) -> str:
    """A web address without what only follows people; "" for anything else, and for one that is all tracking."""
    try:
        parts = urlsplit(href.strip()[:2000])
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.netloc:
        return ""
    query = [pair for pair in parts.query.split("&") if pair and not _TRACKER.match(pair)]
    target = urlunsplit(parts._replace(query="&".join(query)))
    return target if len(target) <= LINK_LENGTH_MAX else ""
