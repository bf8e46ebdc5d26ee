"""Doors that are described in a file, not in Python: for vendors that post JSON and prove it in a usual way."""

from integration_app.providers.custom.provider import SPEC

__all__ = ["SPEC"]
