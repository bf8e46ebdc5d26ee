"""`make lighthouse`: Lighthouse's figures for a user's pages; at least 95 of 100 each. Needs node, and chromium.

Lighthouse comes from npm into a folder of its own, and is not part of `make test`: its performance depends on the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, PHONE_SIZE, running_site

PACKAGE, LEAST = "lighthouse@12", 95
CATEGORIES = ("performance", "accessibility", "best-practices")
PAGES = ("/", "/setup?uid=ada", "/privacy", "/support", "/me", "/me/rules", "/me/import", "/me/write")


def main() -> int:
    folder = Path(".venv/lighthouse")
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / "node_modules" / ".bin" / "lighthouse"
    if not tool.exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder), PACKAGE], check=True)
    with tempfile.TemporaryDirectory() as data, running_site(Path(data)) as site:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(viewport=PHONE_SIZE, locale="en-GB").new_page()  # type: ignore[arg-type]
            site.sign_in(page, "ada")
            cookies = "; ".join(f"{row['name']}={row['value']}" for row in page.context.cookies())
            browser.close()
        worst = 100
        print("page | " + " | ".join(CATEGORIES))
        for path in PAGES:
            scores = _scores(tool, site.stack.web_url + path, cookies if path.startswith("/me") else "")
            worst = min(worst, *scores)
            print(f"{path} | " + " | ".join(map(str, scores)), flush=True)
    return int(worst < LEAST)


def _scores(tool: Path, url: str, cookies: str) -> list[int]:
    done = subprocess.run(
        [
            str(tool), url, "--quiet", "--output=json", f"--only-categories={','.join(CATEGORIES)}",
            "--chrome-flags=--headless=new --no-sandbox",
            *([f"--extra-headers={json.dumps({'Cookie': cookies})}"] if cookies else []),
        ],
        env=os.environ | {"CHROME_PATH": str(CHROMIUM)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)["categories"]
    return [round((found[name]["score"] or 0) * 100) for name in CATEGORIES]


if __name__ == "__main__":
    sys.exit(main())
