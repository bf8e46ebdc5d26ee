"""`prefer`: how one user wants it."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

import click

from integration_app.cli.output import NOT_FOUND, USAGE, acting, as_json, fail, json_option, uid_or_oneself
from integration_app.model import Kind, Tell

_IMPORT_AS = {"unset": None, "conversation": Kind.CONVERSATION, "memories": Kind.MEMORIES}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_SENDER = re.compile(r"[^\s@]*@[^\s@]+\.[^\s@]+")


@click.command()
@click.option("--uid", help="The Omi user id; with OMI_DEVELOPER_KEY it is yourself.")
@click.option("--import-as", type=click.Choice(list(_IMPORT_AS)), help="What a message becomes that does not say it.")
@click.option("--language", help='As Omi takes it, such as "pt"; "" for none.')
@click.option("--allow", multiple=True, help="A sender who may write: an address, or @domain. Replaces the list.")
@click.option("--allow-everybody", is_flag=True, help="All who know the private address may write.")
@click.option(
    "--keep-history",
    multiple=True,
    help='A sender whose replies are delivered with the mail that they answer; "" for none. Replaces the list.',
)
@click.option(
    "--read-attachments/--name-attachments",
    "read_attachments",
    default=None,
    help="Whether the words of attachments go along, or only their names.",
)
@click.option("--receipts/--no-receipts", default=None, help="What they send gets a sign once it is written down.")
@click.option("--tell", type=click.Choice([each.value for each in Tell]), help="What they are shown in Omi.")
@click.option(
    "--automatic-mail/--no-automatic-mail",
    "automatic",
    default=None,
    help="Mailing lists and automatic mails are wanted too.",
)
@click.option("--quiet-seconds", type=click.IntRange(0, 24 * 3600), help="Their own quiet window; 0 for ours.")
@click.option("--daily", type=click.IntRange(0, 23), help="One conversation a day, at this hour of their zone.")
@click.option("--no-daily", is_flag=True, help="No digest.")
@json_option
def prefer(
    uid: str | None,
    import_as: str | None,
    language: str | None,
    allow: tuple[str, ...],
    allow_everybody: bool,
    keep_history: tuple[str, ...],
    read_attachments: bool | None,
    automatic: bool | None,
    receipts: bool | None,
    tell: str | None,
    quiet_seconds: int | None,
    daily: int | None,
    no_daily: bool,
) -> None:
    """Set how one user wants it; without options, show it."""
    if allow and allow_everybody:
        fail("give either --allow or --allow-everybody", USAGE)
    kept = tuple(sender.lower() for sender in keep_history if sender)
    for sender in (*allow, *kept):
        if not _SENDER.fullmatch(sender):
            fail(f"{sender!r} is neither an address nor @domain", USAGE)
    language = language.lower() if language and "-" not in language else language
    if language and not _LANGUAGE.fullmatch(language):
        fail(f"{language!r} is not a language such as pt or pt-BR", USAGE)
    with acting() as found:
        uid = uid_or_oneself(found, uid)
        installation = found.installations.get(uid)
        if installation is None:
            fail(f"no installation {uid}", NOT_FOUND)
        changes: dict[str, Any] = {
            "import_as": _IMPORT_AS[import_as] if import_as is not None else ...,
            "language": (language or None) if language is not None else ...,
            "senders": tuple(sender.lower() for sender in allow) if allow or allow_everybody else ...,
            "keep_history": kept if keep_history else ...,
            "read_attachments": ... if read_attachments is None else read_attachments,
            "receipts": ... if receipts is None else receipts,
            "tell": ... if tell is None else Tell(tell),
            "automatic": ... if automatic is None else automatic,
            "quiet_seconds": ... if quiet_seconds is None else quiet_seconds or None,
            "daily": False if no_daily else ... if daily is None else True,
            "daily_hour": ... if daily is None else daily,
        }
        asked = {name: value for name, value in changes.items() if value is not ...}
        wanted = replace(installation.preferences, **asked)
        if wanted != installation.preferences:
            found.installations.prefer(uid, wanted)
    as_json(asdict(wanted))
