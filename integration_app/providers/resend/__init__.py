"""Resend: mail to an address for which no domain is needed."""

from integration_app.providers.resend.provider import SPEC

__all__ = ["SPEC"]
