"""Linking a phone: by a texted code, to several accounts, confirmed by those who had it before."""

from __future__ import annotations

from contextlib import suppress

import pytest
from flask import Flask

from integration_app.bootstrap import Services
from integration_app.errors import UnknownRecipient
from integration_app.model import Route
from tests.conftest import Clock
from tests.integration.helpers import run_to_rest, text
from tests.people.helpers import OTHER_PHONE, PHONE, made_code, sent_from, sign_in
from tests.sandbox_control import SandboxControl


def test_who_has_a_phone_is_told_when_another_account_links_it(
    services: Services, sandbox: SandboxControl, app: Flask, shared: str
) -> None:
    services.phones.tell()
    (notice,) = sandbox.notifications("victim")
    assert "UNLINK" in notice["message"]
    assert shared not in notice["message"]
    assert not sandbox.notifications("mallory")
    browser = sign_in(app, sandbox, "victim")
    assert "Also linked to another account" in browser.get("/me").text
    assert "That was me" in browser.page
    assert "has to confirm it" in sign_in(app, sandbox, "mallory").get("/me").text


def test_a_link_that_nobody_confirms_ends(services: Services, clock: Clock, shared: str) -> None:
    assert services.installations.with_phone(shared) == ["mallory", "victim"]
    clock.pass_time(hours=23)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory", "victim"]
    services.phones.confirm("mallory", shared)  # not theirs to confirm
    clock.pass_time(hours=2)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["victim"]


def test_a_confirmed_link_stays(
    services: Services, sandbox: SandboxControl, app: Flask, clock: Clock, shared: str
) -> None:
    browser = sign_in(app, sandbox, "victim")
    browser.get("/me")
    browser.post("/me/confirm-phone", phone=shared)
    assert "That was me" not in browser.page
    clock.pass_time(days=3)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory", "victim"]


@pytest.mark.parametrize("how", ["page", "text"])
def test_an_owner_ends_all_links_of_a_phone(
    services: Services, sandbox: SandboxControl, app: Flask, clock: Clock, shared: str, how: str
) -> None:
    if how == "page":
        browser = sign_in(app, sandbox, "victim")
        browser.get("/me")
        browser.post("/me/unlink", phone=shared)
    else:
        message_id = text(services, " unlink. ")
        story = services.inbox.story(message_id)
        assert story is not None
        assert story.message.control == "UNLINK"
        assert not story.states, "and is not forwarded"
    assert services.installations.with_phone(shared) == []
    services.phones.tell()
    assert [row for row in sandbox.notifications("mallory") if "not linked" in row["message"]]
    clock.pass_time(days=2)
    services.phones.step()


def test_who_is_not_confirmed_ends_only_their_own_link(services: Services, shared: str) -> None:
    services.phones.remove("mallory", shared)
    assert services.installations.with_phone(shared) == ["victim"]
    services.phones.remove("mallory", shared)
    assert services.installations.with_phone(shared) == ["victim"]


def test_unlink_of_a_stranger_is_for_nobody(services: Services) -> None:
    with pytest.raises(UnknownRecipient):
        text(services, "UNLINK", sender="+15550007777")


def test_another_spelling_of_a_number_makes_nobody_its_owner(services: Services, clock: Clock) -> None:
    services.installations.add("u", now=clock())
    services.installations.add("v", now=clock())
    services.phones.link("u", "+5215512345678")
    services.phones.link("v", "+525512345678")
    for number in ("+5215512345678", "+525512345678"):
        assert services.phones.owners(number) == ["u"]
        assert services.phones.waiting("u", number)
    services.phones.remove("v", "+5215512345678")
    assert services.installations.with_phone("+525512345678") == ["u"]


def test_linking_again_and_again_wins_no_time(services: Services, clock: Clock, shared: str) -> None:
    for _ in range(3):
        clock.pass_time(hours=7)
        services.phones.link("mallory", shared)
    clock.pass_time(hours=4)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["victim"]


def test_who_is_the_last_on_a_phone_keeps_it(services: Services, clock: Clock, shared: str) -> None:
    services.erasure.erase("victim")
    services.phones.link("mallory", shared)
    clock.pass_time(days=2)
    services.phones.step()
    assert services.installations.with_phone(shared) == ["mallory"]


def test_an_unlink_that_is_delivered_twice_ends_no_later_link(services: Services, shared: str) -> None:
    text(services, "UNLINK", dedupe_keys=("once",))
    services.phones.link("victim", shared)
    text(services, "UNLINK", dedupe_keys=("once",))
    assert services.installations.with_phone(shared) == ["victim"]


def phones(services: Services, uid: str) -> tuple[str, ...]:
    installation = services.installations.get(uid)
    assert installation is not None
    return tuple(installation.phones)


def test_a_texted_code_links_the_phone_that_sent_it_once(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    browser = sign_in(app, sandbox, "u")
    code = made_code(browser)
    text(services, code.lower().replace("-", " "), sender=PHONE)
    assert phones(services, "u") == (PHONE,)
    sent_from(OTHER_PHONE, services, code)
    assert phones(services, "u") == (PHONE,), "used up"
    assert code not in browser.get("/me").text, "a code that is used up is not shown any more"


def test_a_phone_may_serve_two_accounts_and_the_first_keeps_it(
    app: Flask, services: Services, sandbox: SandboxControl
) -> None:
    for uid in ("first", "second"):
        text(services, made_code(sign_in(app, sandbox, uid)), sender=PHONE)
    assert phones(services, "first") == phones(services, "second") == (PHONE,)


def test_a_new_link_code_ends_the_one_before(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    browser = sign_in(app, sandbox, "u")
    old, new = made_code(browser), made_code(browser)
    sent_from(OTHER_PHONE, services, old)
    assert phones(services, "u") == ()
    text(services, new, sender=PHONE)
    assert phones(services, "u") == (PHONE,)


WRONG = "BCDEFGHJKMNP"


def test_guessing_link_codes_ends_after_a_few(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    code = made_code(sign_in(app, sandbox, "u"))
    for number in range(12):
        sent_from(OTHER_PHONE, services, f"LINK-{WRONG[number]}AAAAA")
    sent_from(OTHER_PHONE, services, code)
    assert phones(services, "u") == ()


def test_a_mail_cannot_link_a_phone(app: Flask, services: Services, sandbox: SandboxControl) -> None:
    code = made_code(sign_in(app, sandbox, "u"))
    with suppress(UnknownRecipient):
        text(services, code, sender=PHONE, channel="email", route=Route.RECIPIENT, recipients=("x@in.example.com",))
    assert phones(services, "u") == ()


def test_a_link_code_never_becomes_a_conversation(
    app: Flask, services: Services, sandbox: SandboxControl, clock: Clock
) -> None:
    browser = sign_in(app, sandbox, "u")
    text(services, made_code(browser), sender=PHONE)
    run_to_rest(services, clock)
    assert sandbox.texts("u") == []
