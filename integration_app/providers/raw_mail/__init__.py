"""Raw mail: a whole RFC 822 message in a POST, from a mail worker or an MTA's pipe."""

from integration_app.providers.raw_mail.provider import SPEC

__all__ = ["SPEC"]
