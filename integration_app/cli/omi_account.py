"""Whose data in Omi a command is about, and through which of its APIs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from integration_app import logs
from integration_app.cli.output import FAILED, TRY_LATER, USAGE, fail, use_local_stack
from integration_app.omi import DeveloperClient, IntegrationsClient, OmiError, RateLimited, retrying
from integration_app.transfer.items import UnreadableFile
from integration_app.transfer.places import AppUser, Oneself, Place


@dataclass(frozen=True, slots=True)
class Account:
    """Whose data: through either API."""

    developer: DeveloperClient | None = None
    integrations: IntegrationsClient | None = None
    uid: str = ""

    def place(self) -> Place:
        if self.developer:
            return Oneself(self.developer)
        assert self.integrations is not None  # noqa: S101 - one of the two
        return AppUser(self.integrations, self.uid)

    def items(self, kind: str, **filters: Any) -> Iterator[Any]:
        if self.developer:
            names = {"conversations": "iter_conversations", "memories": "iter_memories"}
            filters |= {"include_transcript": True} if kind == "conversations" else {}
            return iter(getattr(self.developer, names.get(kind, "iter_action_items"))(**filters))
        names = {"conversations": "iter_conversations", "memories": "iter_memories", "action_items": "iter_tasks"}
        return iter(getattr(self.integrations, names[kind])(self.uid, **filters))


def whose(command: Any) -> Any:
    return click.option("--uid", envvar="OMI_UID", help="The user, where the app's key is used.")(command)


@contextmanager
def account(uid: str | None) -> Iterator[Account]:
    """Omi as the environment says; its refusals end the command with a sentence."""
    use_local_stack()
    logs.configure("text", "warning")
    base = os.environ.get("OMI_BASE_URL", "https://api.omi.me")
    key = os.environ.get("OMI_DEVELOPER_KEY")
    try:
        if key and not uid:
            with DeveloperClient(key, base_url=base) as developer:
                yield Account(developer=retrying(developer, on_wait=_waiting))
        elif uid and os.environ.get("OMI_APP_ID") and os.environ.get("OMI_API_KEY"):
            with IntegrationsClient(os.environ["OMI_APP_ID"], os.environ["OMI_API_KEY"], base_url=base) as client:
                yield Account(integrations=retrying(client, on_wait=_waiting), uid=uid)
        else:
            fail("set OMI_DEVELOPER_KEY for yourself, or OMI_APP_ID and OMI_API_KEY and give --uid", USAGE)
    except OmiError as error:
        fail(f"Omi: {error}", TRY_LATER if isinstance(error, RateLimited) else FAILED)
    except (ValueError, UnreadableFile) as error:
        fail(str(error), USAGE)


def _waiting(seconds: float, error: OmiError) -> None:
    click.echo(f"\n{error.reason}: trying again in {in_words(seconds)}", err=True)


def in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
