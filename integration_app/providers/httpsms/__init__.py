"""httpSMS: a phone of one's own as the gateway."""

from integration_app.providers.httpsms.provider import SPEC

__all__ = ["SPEC"]
