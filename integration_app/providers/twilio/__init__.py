"""Twilio Messaging: SMS, MMS, WhatsApp, RCS and calls."""

from integration_app.providers.twilio.provider import SPEC

__all__ = ["SPEC"]
