"""How pages look, small: pictures of 96 pixels' width in tests/data/shapes, and how far another one is from them.

Fonts differ between machines, so letters do not count; that a card, a button or a column is where it was does.
`python -m tests.browser.shapes` takes them anew.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter, ImageStat
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, PHONE_SIZE, Site, running_site
from tests.conftest import REPO

FOLDER = REPO / "tests" / "data" / "shapes"
WIDTH, BLUR = 96, 1.5
MEAN_MAX, TALLER_MAX = 5.0, 0.06
"""Of 255 levels of grey, over the whole page; and how much taller or shorter it may be."""
FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
HIDDEN = """
time, .big { visibility: hidden !important; }
.big { white-space: nowrap !important; overflow: hidden !important; }
* { caret-color: transparent !important; font-family: "DejaVu Sans" !important; }
"""
"""What is another each time, and may take another line; and one font, so that lines break alike everywhere."""


def pages(site: Site, page: Page, uid: str) -> Iterator[tuple[str, bytes]]:
    """Each page with its picture, of a user who has nothing yet, and of an operator at the door."""
    url = site.stack.web_url
    for name, path in (("home", f"/?uid={uid}"), ("setup", f"/setup?uid={uid}"), ("privacy", "/privacy"),
                       ("login", "/operator/login")):  # fmt: skip
        page.goto(url + path)
        yield name, taken(page)
    site.sign_in(page, uid)
    for name, path in (("me", "/me"), ("rules", "/me/rules"), ("import", "/me/import"), ("write", "/me/write")):
        page.goto(url + path)
        yield name, taken(page)


def taken(page: Page) -> bytes:
    page.evaluate(  # a style sheet of ours is no inline style, which the page's policy forbids
        "css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css); document.adoptedStyleSheets = [sheet]; }",
        HIDDEN,
    )
    return page.screenshot(full_page=True)


def shape(picture: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(picture)).convert("L")
    height = round(image.height * WIDTH / image.width)
    return image.resize((WIDTH, height), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(BLUR))


def far(now: Image.Image, before: Image.Image) -> str:
    """What is too different; "" where it is alike."""
    if abs(now.height - before.height) > TALLER_MAX * before.height:
        return f"{now.height} rows instead of {before.height}"
    same = now.resize(before.size)
    mean = ImageStat.Stat(ImageChops.difference(same, before)).mean[0]
    return f"{mean:.1f} levels of grey away" if mean > MEAN_MAX else ""


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_site(Path(data)) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport=PHONE_SIZE, color_scheme="light", locale="en-GB").new_page()  # type: ignore[arg-type]
        for name, picture in pages(site, page, "shape"):
            shape(picture).save(FOLDER / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
