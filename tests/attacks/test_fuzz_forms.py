"""Whatever is sent to the forms of users and to the operator's API is answered, and no answer is a crash."""

from __future__ import annotations

import string
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_app.bootstrap import Services
from integration_app.web.actions import ACTIONS
from integration_app.web.app import create_app
from integration_app.web.operator_api import openapi
from tests.integration.helpers import link, text
from tests.people.helpers import sign_in
from tests.sandbox_control import SandboxControl

NAMES = (
    "message", "phone", "senders", "language", "time_zone", "import_as", "automatic", "paused", "session", "sure",
    "always", "read_attachments", "uid", "code",
)  # fmt: skip
WORDS = st.one_of(
    st.text(max_size=60), st.sampled_from(["yes", "", "../..", "\x00", "a@b.c", "~@x.org", "+1555", "9" * 400, "'\"><"])
)
FORMS = st.dictionaries(st.sampled_from(NAMES), WORDS, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
HOW = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def app(services: Services, sandbox: SandboxControl) -> Flask:
    sandbox.enable("u")
    link(services, "u")
    text(services, "hello")
    return create_app(services)


def test_no_form_of_a_user_crashes(app: Flask, sandbox: SandboxControl) -> None:
    app.extensions["limiter"] = set()  # as if each came from elsewhere
    app.config["RATELIMIT_ENABLED"] = False
    browser = sign_in(app, sandbox, "u")

    @HOW
    @given(action=st.sampled_from([*ACTIONS, "erase", "nothing"]), form=FORMS)
    def tried(action: str, form: dict[str, Any]) -> None:
        if action in ("sign-out", "sign-out-everywhere") or (action == "erase" and form.get("sure") == "yes"):
            return
        browser.get("/me")
        sent: dict[str, Any] = {name: value.encode("utf-8", "replace").decode() for name, value in form.items()}
        assert browser.post(f"/me/{action}", **sent).status_code < 500

    tried()


def test_no_call_of_the_operators_api_crashes(app: Flask, services: Services) -> None:
    token = services.settings.operator_api_token[0]
    client = app.test_client()
    paths = [(path, method) for path, methods in openapi()["paths"].items() for method in methods]
    word = st.text(string.ascii_letters + string.digits + "-_.~%é", min_size=1, max_size=20)

    @HOW
    @given(which=st.sampled_from(paths), names=st.lists(word, min_size=3, max_size=3), body=JSON, query=FORMS)
    def tried(which: tuple[str, str], names: list[str], body: Any, query: dict[str, str]) -> None:
        path = which[0]
        for name in names:
            path = path.replace(path[path.find("{") : path.find("}") + 1], name) if "{" in path else path
        sent = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        answer = client.open(
            path, method=which[1].upper(), json=body, query_string=sent, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code < 500, f"{which}: {answer.text[:200]}"

    tried()
