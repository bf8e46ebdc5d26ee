"""The application whose pages are under attack."""

from __future__ import annotations

import pytest
from flask import Flask

from integration_app.bootstrap import Services
from integration_app.web.app import create_app
from tests.integration.helpers import link, text
from tests.people.helpers import PHONE
from tests.sandbox_control import SandboxControl


@pytest.fixture
def app(services: Services) -> Flask:
    return create_app(services)


@pytest.fixture
def shared(services: Services, sandbox: SandboxControl) -> str:
    """A phone of `victim`, who was talked into texting the code of `mallory`."""
    sandbox.enable("victim", "mallory")
    link(services, "victim")
    services.installations.add("mallory", now=services.clock())
    text(services, services.auth.link_codes.new("mallory"))
    return PHONE
