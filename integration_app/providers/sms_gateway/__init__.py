"""SMS Gateway for Android: a phone of one's own as the gateway."""

from integration_app.providers.sms_gateway.provider import SPEC

__all__ = ["SPEC"]
