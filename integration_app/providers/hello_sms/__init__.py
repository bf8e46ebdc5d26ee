"""The smallest SMS provider, to copy: JSON `{"id", "from", "text"}` with a shared bearer token."""

from integration_app.providers.hello_sms.provider import SPEC

__all__ = ["SPEC"]
