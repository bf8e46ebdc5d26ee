"""What the site does beyond its pages: links to files of the repository, lists, and `llms.txt` for programs."""

from __future__ import annotations

import posixpath
import re
from html import unescape
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\]\((\.\./[^)#\s]+)(#[^)\s]*)?\)")
_ITEM = re.compile(r"(\d+\.|-) ")
_BULLET = re.compile(r"- ")
_pages: list[tuple[str, str, str]] = []


def on_pre_build(config: Any) -> None:
    _pages.clear()


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """A link out of docs/ leads to the repository."""

    def outwards(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), match[1]))
        if path.startswith("docs/"):
            return match[0]
        return f"]({config['extra']['repository']}/blob/main/{path}{match[2] or ''})"

    return _LINK.sub(outwards, lists(markdown))


def lists(markdown: str) -> str:
    """Lists as GitHub reads them, for a parser that wants four spaces below an item, and an empty line before one."""
    made: list[str] = []
    is_item = is_code = False
    for line in markdown.split("\n"):
        if _ITEM.match(line) and not is_code:
            if made and made[-1].strip() and not _BULLET.match(line):
                made.append("")
            is_item = True
        elif line[:1].strip() and not is_code:
            is_item = False
        if line.lstrip().startswith("```"):
            is_code = not is_code
        is_below = is_item and line.startswith("  ") and not line.startswith("    ")
        made.append(f"    {line.lstrip(' ')}" if is_below else line)
    return "\n".join(made)


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    first = re.search(r"<p>(.*?)</p>", html, re.S)
    words = " ".join(unescape(re.sub(r"<[^>]+>", "", first[1] if first else "")).split())
    _pages.append((page.title or page.file.src_uri, page.url, words[:160]))
    return html


def on_post_build(config: Any) -> None:
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}", ""]
    lines += [f"- [{title}]({url or 'index.html'}): {words}" for title, url, words in _pages]
    (Path(config["site_dir"]) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
