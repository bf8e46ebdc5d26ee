"""Postmark inbound mail."""

from integration_app.providers.postmark.provider import SPEC

__all__ = ["SPEC"]
