"""The settings as this process has them: where each comes from, and no secret."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

from integration_app.bootstrap import Services
from integration_app.providers.registry import specs

_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "USERS", "DSN", "URLS")
"""In the name of a provider's setting: its value is not shown."""

_LONGEST = 100
"""Characters of a value that are shown: a certificate has thousands."""


def shown(services: Services) -> dict[str, list[dict[str, Any]]]:
    """By group, each with its name, its value ("set" for a secret) and whether it was set or is the default."""
    ours = [
        _row(row.name.upper(), getattr(services.settings, row.name), is_secret=not row.repr)
        for row in fields(services.settings)
    ]
    known = {row["name"] for row in ours}
    theirs = {
        name: [_row(setting, os.environ.get(setting), is_secret=_is_secret(setting)) for setting in found]
        for name, spec in specs().items()
        if (found := [setting for setting in spec.settings if setting not in known])
    }
    return {"Omi Inbox": ours} | theirs


def _row(name: str, value: object, *, is_secret: bool) -> dict[str, Any]:
    is_set = name in os.environ or f"{name}_FILE" in os.environ
    shown = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value if value is not None else "")
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return {
        "name": name,
        "value": ("set" if value and is_set else "") if is_secret else shown,
        "secret": is_secret,
        "from": f"{name}_FILE" if f"{name}_FILE" in os.environ else "environment, or .env" if is_set else "default",
    }


def _is_secret(name: str) -> bool:
    return any(part in name for part in _SECRET)
