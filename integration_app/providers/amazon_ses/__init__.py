"""Amazon SES through SNS: mails as signed notifications."""

from integration_app.providers.amazon_ses.provider import SPEC

__all__ = ["SPEC"]
