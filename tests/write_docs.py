"""`make docs`: the parts of docs/ that are made of other files. A test holds that they are up to date."""

from __future__ import annotations

import re
from pathlib import Path

from integration_app.providers import registry

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARK = "<!-- below: the folders' setup.md, written by `make docs` -->\n"
BASE = "https://inbox.example.com"


def providers_page(page: str) -> str:
    """`docs/providers.md` with every folder's `setup.md` below its mark."""
    return page.partition(MARK)[0] + MARK + "".join(f"\n{_setup(name)}\n" for name in registry.specs())


def _setup(name: str) -> str:
    text = registry.setup_text(name).replace(
        "{url_with_credentials}", BASE.replace("//", "//user:password@") + "{path}"
    )
    text = text.replace("{url}", f"{BASE}{{path}}").replace("{path}", f"/webhooks/{name}")
    return re.sub(r"^#", "## Set up:", text, count=1).strip()


if __name__ == "__main__":
    page = DOCS / "providers.md"
    page.write_text(providers_page(page.read_text(encoding="utf-8")), encoding="utf-8")
