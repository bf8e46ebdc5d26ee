"""The whole way of a user and of an operator, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from integration_app.sandbox.state import CAPABILITIES
from tests.browser.conftest import DESKTOP_SIZE, PHONE_SIZE, Site

Opened = Callable[..., Page]


def completed(site: Site, uid: str) -> bool:
    return bool(
        requests.get(f"{site.stack.web_url}/setup/completed", {"uid": uid}, timeout=5).json()["is_setup_completed"]
    )


@pytest.mark.parametrize(("uid", "phone", "size"), [
    ("browser-a", "+15550100001", PHONE_SIZE),
    ("browser-b", "+15550100002", DESKTOP_SIZE),
])  # fmt: skip
def test_from_omi_to_the_first_conversation_pause_and_erase(
    site: Site, open_page: Opened, uid: str, phone: str, size: dict[str, int]
) -> None:
    page = open_page(size)
    site.sandbox.enable(uid)
    page.goto(site.opened_in_omi(uid))
    expect(page.get_by_role("heading", name="Your inbox in Omi")).to_be_visible()
    assert completed(site, uid) is True

    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code").fill("000000" if site.code(uid) != "000000" else "111111")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the code")
    page.get_by_label("Code").fill(site.code(uid))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Your private address")).to_be_visible()
    assert "uid" not in page.url

    site.link(page, phone)  # without a reload: the page notices by itself
    site.text("My first text from a browser test.", phone)
    expect(page.get_by_text("in your Omi", exact=True).first).to_be_visible(timeout=15_000)
    assert site.sandbox.texts(uid) == ["Me: My first text from a browser test."]

    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused: what arrives waits")).to_be_visible()
    site.text("This one waits.", phone)
    expect(page.get_by_text("waiting: you have paused")).to_be_visible(timeout=10_000)
    page.get_by_role("button", name="Resume").click()
    site.until(lambda: len(site.sandbox.texts(uid)) == 2)

    with page.expect_download() as download:
        page.get_by_role("link", name="Export my data").click()
    exported = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert [row["text"] for row in exported["messages"]] != []

    page.get_by_label("Erase everything here").check()
    page.get_by_role("button", name="Erase me").click()
    expect(page.get_by_role("heading", name="Everything of yours is erased here")).to_be_visible()
    page.goto(f"{site.stack.web_url}/me")
    expect(page.get_by_text("Your private address")).to_have_count(0)


def test_everything_works_without_javascript(site: Site, open_page: Opened) -> None:
    page = open_page(java_script_enabled=False)
    site.sign_in(page, "no-script")
    page.get_by_role("button", name="Link a phone").click()
    site.text(page.locator("[aria-labelledby=phone] .big").inner_text(), "+15550100003")
    page.reload()
    expect(page.get_by_text("+15550100003")).to_be_visible()
    before = page.locator(".big").first.inner_text()
    page.get_by_text("New address …").click()
    page.get_by_role("button", name="Make a new address").click()
    assert page.locator(".big").first.inner_text() != before


def test_a_new_address_works_at_once_and_the_old_one_still(site: Site, open_page: Opened) -> None:
    page = open_page()
    site.sign_in(page, "mover")
    old = page.locator(".big").first.inner_text()
    page.get_by_text("New address …").click()
    page.get_by_role("button", name="Make a new address").click()
    assert page.locator(".big").first.inner_text() != old
    site.mail("mover", "ana@example.com", "to the new one")
    expect(page.get_by_text("email").first).to_be_visible(timeout=10_000)


def test_german_where_the_browser_prefers_it(site: Site, open_page: Opened) -> None:
    page = open_page(locale="de-DE")
    page.goto(site.opened_in_omi("berliner"))
    expect(page.get_by_role("button", name="Code schicken")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "de"


def test_a_phone_that_serves_two_accounts_keeps_both(site: Site, open_page: Opened) -> None:
    for uid in ("first-of-two", "second-of-two"):
        page = open_page()
        site.sign_in(page, uid)
        site.link(page, "+15550100004")
    site.text("For the two of us.", "+15550100004")
    site.until(lambda: site.sandbox.texts("first-of-two") == site.sandbox.texts("second-of-two") != [])


def test_the_operators_way_from_an_alarm_to_a_replay(site: Site, open_page: Opened) -> None:
    uid, phone = "unlucky", "+15550100005"
    user = open_page()
    site.sign_in(user, uid)
    site.link(user, phone)
    site.sandbox.app(actions=["create_conversation"])  # whether it was stored cannot be looked up
    site.sandbox.fault("error_before")
    site.text("Nobody should read this by chance.", phone)
    site.until(lambda: site.services.dead_letters.list())
    site.sandbox.app(actions=sorted(CAPABILITIES))

    page = open_page(DESKTOP_SIZE)
    site.sign_in_operator(page)
    expect(page.locator(".card", has_text="dead letters").locator(".number")).to_have_text("1")
    page.get_by_role("link", name="Dead letters", exact=True).click()
    row = page.locator("tbody tr", has_text=uid)
    expect(row).to_be_visible()
    assert "Nobody should read" not in page.content()
    row.get_by_role("link").first.click()
    assert "Nobody should read" not in page.content()
    page.get_by_role("button", name="Show the text").click()
    expect(page.get_by_text("Nobody should read this by chance.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("its text was shown to").first).to_be_visible()
    page.get_by_role("link", name="Dead letters", exact=True).click()
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("1 dead letter with 1 message of 1 user")).to_be_visible()
    page.get_by_role("button", name="Yes, send them again").click()
    expect(page.get_by_text("finished").or_(page.get_by_text("done")).first).to_be_visible(timeout=15_000)
    site.until(lambda: site.sandbox.texts(uid) == ["Me: Nobody should read this by chance."])


def test_the_operators_signed_test_goes_through_the_public_door(site: Site, open_page: Opened) -> None:
    uid, phone = "tested", "+15550100006"
    user = open_page()
    site.sign_in(user, uid)
    site.link(user, phone)
    page = open_page(DESKTOP_SIZE)
    site.sign_in_operator(page)
    page.get_by_role("link", name="Providers").click()
    card = page.locator("section", has_text="Hello on ")
    card.get_by_role("combobox").select_option(uid)
    card.get_by_role("button", name="Send it").click()
    expect(page.get_by_role("status")).to_contain_text("stored")
    site.until(lambda: any("[TEST]" in text for text in site.sandbox.texts(uid)))


def test_an_operator_has_an_endpoint_told(site: Site, open_page: Opened) -> None:
    page = open_page()
    site.sign_in_operator(page)
    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Address").fill("https://10.0.0.1/hooks")
    page.get_by_label("message.parked").check()
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("whsec_").wait_for()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("is on its way").wait_for()  # a reload into the middle of a navigation would fail
    for _ in range(50):
        page.reload()
        if page.get_by_text("an address that may not be called").count():
            break
        page.wait_for_timeout(200)
    page.get_by_text("an address that may not be called").first.wait_for()
    page.get_by_text("Remove …").click()
    page.get_by_label("It is told nothing more").check()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("is removed").wait_for()
