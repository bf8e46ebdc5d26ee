"""Secrets of a webhook as a setting lists them, separated by commas."""

from __future__ import annotations

from environs import ValidationError

TOKEN_MIN = 16


def checked(values: list[str]) -> None:
    """Each is long enough to be one. An empty entry would be a key that everybody has."""
    if not values or any(len(value) < TOKEN_MIN for value in values):
        raise ValidationError(
            f"each must have at least {TOKEN_MIN} characters, with one comma between two: openssl rand -hex 24"
        )
