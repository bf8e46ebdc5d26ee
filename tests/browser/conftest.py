"""A real browser on the whole running stack. Skipped, with the reason, where there is no chromium."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from integration_app import bootstrap
from integration_app.bootstrap import system_clock
from integration_app.cli.samples import send
from integration_app.local.stack import Stack
from integration_app.providers import registry
from integration_app.providers.base import SampleMessage
from integration_app.settings import LOCAL_OPERATOR_PASSWORD as OPERATOR_PASSWORD
from integration_app.store import accounts, vault
from tests.journeys.conftest import FAST
from tests.sandbox_control import SandboxControl

PHONE_SIZE, DESKTOP_SIZE = {"width": 375, "height": 812}, {"width": 1280, "height": 800}
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
_MISSING = "no chromium here: `apt-get install chromium`, or name one with CHROMIUM=/path/to/chromium"


class Site:
    """The running stack, and a phone that texts to it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.services = bootstrap.build()
        self.sandbox = SandboxControl(stack.sandbox_url, stack.env["OMI_APP_ID"], stack.env["OMI_API_KEY"])
        self._operators_cookies: list[Any] = []

    def opened_in_omi(self, uid: str) -> str:
        """Where Omi's web view begins for this user."""
        return f"{self.stack.sandbox_url}/_sandbox/apps/{self.stack.env['OMI_APP_ID']}/open?uid={uid}"

    def code(self, uid: str) -> str:
        shown = self.sandbox._get("/notifications", uid=uid)["notifications"]
        return "".join(sign for sign in shown[-1]["message"] if sign.isdigit())[:6]

    def text(self, words: str, phone: str) -> None:
        """A text, signed and sent as the vendor does."""
        spec = registry.for_channel("sms")
        assert spec.sender is not None
        made = spec.sender(self.stack.env).build_request(
            SampleMessage(sender=phone, to="", text=words), self.stack.env["PUBLIC_BASE_URL"], system_clock()
        )
        assert send(self.stack.web_url, made).status_code == 200

    def mail(self, uid: str, sender: str, words: str) -> None:
        spec = registry.for_channel("email")
        installation = self.services.installations.get(uid)
        assert spec.sender is not None
        assert installation is not None
        sample = SampleMessage(
            sender=sender, to=f"{installation.inbox_token}@in.example.com", subject="Hello", text=words, channel="email"
        )
        made = spec.sender(self.stack.env).build_request(sample, self.stack.env["PUBLIC_BASE_URL"], system_clock())
        assert send(self.stack.web_url, made).status_code == 200

    def sign_in(self, page: Page, uid: str) -> None:
        self.sandbox.enable(uid)
        page.goto(self.opened_in_omi(uid))
        page.get_by_role("button", name="Send me a code").click()
        page.get_by_label("Code").fill(self.code(uid))
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="Your private address").wait_for()

    def link(self, page: Page, phone: str) -> None:
        page.get_by_role("button", name="Link a phone").click()
        self.text(page.locator("[aria-labelledby=phone] .big").inner_text(), phone)
        page.get_by_text(phone).wait_for(timeout=5000)

    def sign_in_operator(self, page: Page) -> None:
        """By the form the first time, then by the cookies it gave: a sixth sign-in within a minute is refused."""
        page.context.add_cookies(self._operators_cookies)
        page.goto(f"{self.stack.web_url}/operator")
        if not self._operators_cookies:
            page.get_by_label("Password").fill(OPERATOR_PASSWORD)
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview", exact=True).wait_for()
        self._operators_cookies = list(page.context.cookies())

    def until(self, look: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)
        return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.fixture(autouse=True)
def _keys_of_the_site(request: pytest.FixtureRequest) -> None:
    """The keys belong to the process: another test in it may have set its own since the site was started."""
    if "site" in request.fixturenames:
        services = request.getfixturevalue("site").services
        vault.use(vault.Vault(services.settings.data_keys))
        accounts.use(accounts.Accounts(services.identity.names_key))


@contextmanager
def running_site(folder: Any) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch, Stack(folder, settings=FAST) as stack:
        for name, value in stack.env.items():
            patch.setenv(name, value)
        made = Site(stack)
        yield made
        made.services.omi.close()
        made.services.queue_connection.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(_MISSING)
    with sync_playwright() as playwright:
        # root has no sandbox of chromium's own; the pages are ours
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(size, scheme="dark", **of the context)`: a window of its own, with cookies of its own."""
    contexts = []

    def opened(size: Any = None, scheme: Any = "light", **more: Any) -> Page:
        context = browser.new_context(viewport=size or PHONE_SIZE, color_scheme=scheme, **({"locale": "en-GB"} | more))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        return page

    yield opened
    for context in contexts:
        context.close()
