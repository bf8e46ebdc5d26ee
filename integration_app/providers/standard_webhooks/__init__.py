"""Standard Webhooks: signed JSON events from anything of the operator's own."""

from integration_app.providers.standard_webhooks.provider import SPEC

__all__ = ["SPEC"]
