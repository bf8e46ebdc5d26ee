"""Twilio Messaging: SMS, MMS and WhatsApp."""

from integration_app.providers.twilio.provider import SPEC

__all__ = ["SPEC"]
