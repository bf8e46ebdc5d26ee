"""Telnyx: texts and picture messages."""

from integration_app.providers.telnyx.provider import SPEC

__all__ = ["SPEC"]
