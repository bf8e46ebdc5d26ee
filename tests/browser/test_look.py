"""How the pages look: sizes, targets, contrast, labels. On a phone and on a desktop, in the light and in the dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page

from tests.browser import shapes
from tests.browser.conftest import DESKTOP_SIZE, PHONE_SIZE, Site

USER_PAGES = ("/", "/setup?uid=looker", "/privacy", "/support", "/me")
SUB_PAGES = ("/me/rules", "/me/import", "/me/write")
OPERATOR_PAGES = tuple(
    f"/operator{page}"
    for page in (
        "",
        "/messages",
        "/dead-letters",
        "/quarantine",
        "/installations",
        "/providers",
        "/webhooks",
        "/health",
        "/audit",
        "/outboxes",
        "/settings",
    )
)
LOOKS = [(size, scheme) for size in (PHONE_SIZE, DESKTOP_SIZE) for scheme in ("light", "dark")]
_SMALL = """() => [...document.querySelectorAll('button, .button, select, textarea, input:not([type=hidden]):not([type=checkbox])')]
  .filter(e => e.offsetParent && e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML.slice(0, 120))"""
_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def look_over(page: Page, url: str) -> None:
    page.goto(url)
    found = Axe().run(page).response["violations"]
    assert [f"{row['id']}: {row['nodes'][0]['html'][:150]}" for row in found] == [], url
    assert page.evaluate(_SMALL) == [], f"{url}: targets of less than 44 px"
    assert page.evaluate(_TOO_WIDE) is False, f"{url}: scrolls sideways"


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_a_users_pages(site: Site, open_page: Callable[..., Page], size: dict[str, int], scheme: str) -> None:
    page = open_page(size, scheme)
    for path in USER_PAGES[:-1]:
        look_over(page, site.stack.web_url + path)
    uid = f"look-{size['width']}-{scheme}"
    site.sign_in(page, uid)
    page.get_by_role("button", name="Link a phone").click()
    look_over(page, f"{site.stack.web_url}/me")
    phone = f"+1555010{LOOKS.index((size, scheme)):04d}"
    site.text(page.locator("[aria-labelledby=phone] .big").inner_text(), phone)
    page.get_by_text(phone).wait_for()
    site.mail(uid, "ana@example.com", "A mail to look at.")
    page.get_by_text("email").first.wait_for()
    look_over(page, f"{site.stack.web_url}/me")
    for path in SUB_PAGES:
        look_over(page, site.stack.web_url + path)
    page.goto(f"{site.stack.web_url}/me")
    page.get_by_role("link", name="A mail to look at").or_(page.get_by_role("link", name="Hello")).first.click()
    look_over(page, page.url)
    for path in ("/me", *SUB_PAGES, page.url.removeprefix(site.stack.web_url)):  # long words
        look_over(page, f"{site.stack.web_url}{path}?lang=de")


def test_at_twice_the_size_nothing_is_cut_off(site: Site, open_page: Callable[..., Page]) -> None:
    """200 % zoom of a phone's width and of a desktop's: the same pixels for half of the room."""
    for size in ({"width": 195, "height": 422}, {"width": 640, "height": 400}):
        page = open_page(size)
        for path in USER_PAGES[:-1]:
            look_over(page, site.stack.web_url + path)
        site.sign_in(page, f"zoom-{size['width']}")
        for path in ("/me", *SUB_PAGES):
            look_over(page, site.stack.web_url + path)


def test_text_of_twice_the_size_moves_nothing_out_of_sight(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(PHONE_SIZE)
    site.sign_in(page, "large-text")
    site.link(page, "+15550100077")
    for path in ("/me", *SUB_PAGES, "/setup?uid=looker", "/privacy"):
        page.goto(site.stack.web_url + path)
        page.evaluate("() => { document.documentElement.style.fontSize = '200%' }")
        assert not page.evaluate(_TOO_WIDE), path


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_the_operators_pages(site: Site, open_page: Callable[..., Page], size: dict[str, int], scheme: str) -> None:
    page = open_page(size, scheme)
    look_over(page, f"{site.stack.web_url}/operator/login")
    site.sign_in_operator(page)
    for path in OPERATOR_PAGES:
        look_over(page, site.stack.web_url + path)


def test_pages_are_small_and_load_nothing_from_elsewhere(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.sign_in(page, "counter")
    page.get_by_role("button", name="Link a phone").click()
    asked.clear()
    page.goto(f"{site.stack.web_url}/me")
    elsewhere = [url for url in asked if not url.startswith((site.stack.web_url, "data:"))]
    assert elsewhere == []
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    files = {url for url in asked if url.startswith(site.stack.web_url)}
    sizes = {url: len(requests.get(url, cookies=cookies, timeout=5).content) for url in files}
    assert sum(sizes.values()) < 60_000, sizes


def test_pages_have_the_shape_that_was_looked_at(site: Site, open_page: Callable[..., Page]) -> None:
    """What is meant to look otherwise: `python -m tests.browser.shapes`, and look at the pictures."""
    if not shapes.FONT.exists():
        pytest.skip("no DejaVu Sans here: apt-get install fonts-dejavu-core")
    page = open_page(PHONE_SIZE, "light")
    found = {}
    for name, picture in shapes.pages(site, page, "shapely"):
        with Image.open(shapes.FOLDER / f"{name}.png") as before:
            if far := shapes.far(shapes.shape(picture), before):
                found[name] = far
    assert found == {}


def test_another_shape_is_found(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(PHONE_SIZE, "light")
    page.goto(f"{site.stack.web_url}/privacy")
    before = shapes.shape(shapes.taken(page))
    assert shapes.far(shapes.shape(shapes.taken(page)), before) == ""
    page.evaluate("document.querySelector('main').style.paddingLeft = '6rem'")
    assert shapes.far(shapes.shape(shapes.taken(page)), before)
    page.goto(f"{site.stack.web_url}/support")
    assert shapes.far(shapes.shape(shapes.taken(page)), before)


def test_a_page_can_be_read_before_its_script_is_there(site: Site, open_page: Callable[..., Page]) -> None:
    """A slow network: the script, which only helps, comes late or never."""
    page = open_page(PHONE_SIZE, "light")
    page.route("**/live.js", lambda route: route.abort())
    page.goto(f"{site.stack.web_url}/setup?uid=slow", wait_until="commit")
    page.get_by_role("button", name="Send me a code").wait_for(timeout=5000)
    site.sign_in(page, "slow")
    page.get_by_role("link", name="How it arrives").click()
    page.get_by_label("Contains").fill("x")
    page.get_by_role("button", name="Save the rule").click()
    page.get_by_text("Saved.").wait_for()
