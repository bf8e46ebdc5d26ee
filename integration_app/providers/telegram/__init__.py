"""Telegram: what users write or forward to a bot."""

from integration_app.providers.telegram.provider import SPEC

__all__ = ["SPEC"]
