"""SendGrid Inbound Parse: mails as a form, parsed or raw, signed or with Basic credentials."""

from integration_app.providers.sendgrid.provider import SPEC

__all__ = ["SPEC"]
