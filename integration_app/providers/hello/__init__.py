"""The smallest complete provider, to copy: JSON `{"id", "inbox", "text"}` with a shared bearer token."""

from integration_app.providers.hello.provider import SPEC

__all__ = ["SPEC"]
