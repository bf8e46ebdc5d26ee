"""Mailgun Routes: mails forwarded as a form, parsed or as raw MIME."""

from integration_app.providers.mailgun.provider import SPEC

__all__ = ["SPEC"]
