"""Signing in as a user does: with the code that Omi shows."""

from __future__ import annotations

import re
from contextlib import suppress

from flask import Flask

from integration_app.bootstrap import Services
from integration_app.errors import UnknownRecipient
from tests.integration.helpers import text
from tests.integration.web_client import Browser
from tests.sandbox_control import SandboxControl

PHONE, OTHER_PHONE = "+15550001111", "+15550002222"


def code_for(sandbox: SandboxControl, uid: str) -> str:
    shown = sandbox._get("/notifications", uid=uid)["notifications"]
    found = re.search(r"\d{6}", shown[-1]["message"])
    assert found
    return found.group()


def sign_in(app: Flask, sandbox: SandboxControl, uid: str, address: str = "192.0.2.1") -> Browser:
    sandbox.enable(uid)
    browser = Browser(app, address)
    browser.get(f"/setup?uid={uid}")
    browser.post("/setup/code", uid=uid)
    answer = browser.post("/setup/verify", uid=uid, code=code_for(sandbox, uid))
    assert "Your private address" in browser.page, answer.status
    return browser


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/me").status_code == 200


def sent_from(phone: str, services: Services, words: str) -> None:
    with suppress(UnknownRecipient):  # a phone that nobody has linked
        text(services, words, sender=phone)


def made_code(browser: Browser) -> str:
    browser.get("/me")
    browser.post("/me/link-code")
    found = re.search(r"LINK-[A-Z0-9]{6}", browser.page)
    assert found
    return found.group()
