"""`python -m tests.browser.pictures`: the screenshots in docs/pictures, anew."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, DESKTOP_SIZE, PHONE_SIZE, Site, running_site

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
PHONE = "+15550100008"


def take() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as playwright,
        running_site(Path(folder)) as site,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def page(size: object, scheme: str) -> Page:
            return browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB").new_page()  # type: ignore[arg-type]

        phone = page(PHONE_SIZE, "light")
        site.sandbox.enable("ada")
        phone.goto(site.opened_in_omi("ada"))
        phone.screenshot(path=FOLDER / "setup-phone.png")
        site.sign_in(phone, "ada")
        phone.get_by_role("button", name="Link a phone").click()
        code = phone.locator("[aria-labelledby=phone] .big").inner_text()
        phone.screenshot(path=FOLDER / "link-phone.png")
        site.text(code, PHONE)
        phone.get_by_text(PHONE).wait_for()
        _life(site)
        phone.wait_for_timeout(2500)
        phone.screenshot(path=FOLDER / "inbox-phone.png")
        dark = page(PHONE_SIZE, "dark")
        site.sign_in(dark, "ada")
        dark.screenshot(path=FOLDER / "inbox-phone-dark.png", full_page=True)
        wide = page(DESKTOP_SIZE, "light")
        site.sign_in(wide, "ada")
        wide.get_by_role("button", name="Link a phone").click()
        wide.locator("[aria-labelledby=phone] .big").wait_for()
        wide.screenshot(path=FOLDER / "inbox-desktop.png", full_page=True)
        desk = page(DESKTOP_SIZE, "light")
        site.sign_in_operator(desk)
        for name in ("overview", "messages", "dead-letters", "providers", "installations", "health"):
            desk.goto(f"{site.stack.web_url}/operator/{name}".replace("/overview", ""))
            desk.screenshot(path=FOLDER / f"operator-{name}.png")
        desk.goto(f"{site.stack.web_url}/operator/messages")
        desk.locator("tbody a").first.click()
        desk.screenshot(path=FOLDER / "operator-message.png")
        small = page(PHONE_SIZE, "dark")
        site.sign_in_operator(small)
        small.screenshot(path=FOLDER / "operator-phone-dark.png")
        browser.close()


def _life(site: Site) -> None:
    """Something to look at: delivered, parked, held up."""
    site.text("Landed in Lisbon.", PHONE)
    site.mail("ada", "ana@example.com", "The minutes of today.")
    site.until(lambda: len(site.sandbox.texts("ada")) == 2)
    site.sandbox.app(actions=["create_conversation"])
    site.sandbox.fault("error_before")
    site.text("A text of unknown fate.", PHONE)
    site.until(lambda: site.services.dead_letters.list())
    site.sandbox.fault("rate_limited", retry_after=1800)
    site.text("Dinner at eight?", PHONE)
    site.until(lambda: site.services.gates.of("ada"))


if __name__ == "__main__":
    take()
