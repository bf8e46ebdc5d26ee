"""`python -m tests.browser.tour`: docs/pictures/tour.gif anew, from a phone's link to its text in Omi. Needs ffmpeg."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, Site, running_site
from tests.browser.pictures import FOLDER, PHONE

SIZE = {"width": 390, "height": 700}


class Film:
    """Pictures of a page, each shown for so many seconds."""

    def __init__(self, folder: Path, page: Page) -> None:
        self._folder = folder
        self._page = page
        self._rows: list[str] = []

    def take(self, seconds: float) -> None:
        path = self._folder / f"{len(self._rows):03d}.png"
        self._page.screenshot(path=path)
        self._rows += [f"file '{path}'", f"duration {seconds}"]

    def save(self, to: Path) -> None:
        script = self._folder / "film.txt"
        script.write_text("\n".join([*self._rows, self._rows[-2]]))
        look = "fps=10,split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none"
        command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "concat", "-safe", "0", "-i", str(script)]
        subprocess.run([*command, "-vf", look, str(to)], check=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, running_site(Path(folder)) as site:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport=SIZE, locale="en-GB").new_page()  # type: ignore[arg-type]
        film = Film(Path(folder), page)
        _story(site, page, film)
        film.save(FOLDER / "tour.gif")
        browser.close()
    print(f"{(FOLDER / 'tour.gif').stat().st_size:,} bytes")


def _story(site: Site, page: Page, film: Film) -> None:
    site.sandbox.enable("ada")
    page.goto(site.opened_in_omi("ada"))
    film.take(2.5)
    page.get_by_role("button", name="Send me a code").click()
    film.take(1.5)
    page.get_by_label("Code").fill(site.code("ada"))
    film.take(1.5)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Your private address").wait_for()
    film.take(2.5)
    page.get_by_role("button", name="Link a phone").scroll_into_view_if_needed()
    film.take(1.0)
    page.get_by_role("button", name="Link a phone").click()
    code = page.locator("[aria-labelledby=phone] .big")
    code.scroll_into_view_if_needed()
    film.take(2.5)
    site.text(code.inner_text(), PHONE)
    page.get_by_text(PHONE).wait_for()
    page.get_by_text(PHONE).scroll_into_view_if_needed()
    film.take(2.5)
    site.text("Dinner with Mara on Friday at eight.", PHONE)
    row = page.get_by_text("Dinner with Mara").first
    row.wait_for()
    row.scroll_into_view_if_needed()
    film.take(2.0)
    page.get_by_text("in your Omi").first.wait_for()
    page.wait_for_timeout(1600)
    film.take(3.0)
    page.get_by_role("link", name="Dinner with Mara").first.click()
    film.take(4.0)


if __name__ == "__main__":
    main()
