"""`omi-inbox omi …`: one's data in Omi from the command line: list, create, import, export.

With OMI_DEVELOPER_KEY for oneself, else with the app's key for the user given with --uid.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from integration_app.cli.omi_account import account, in_words, whose
from integration_app.cli.output import (
    USAGE,
    as_json,
    count,
    fail,
    json_option,
    say,
    table,
    wants_json,
)
from integration_app.omi import (
    NewActionItem,
    NewConversation,
    NewDeveloperMemory,
    NewMemories,
    NewMemory,
    NewTextConversation,
)
from integration_app.transfer import exporting, importing, readers
from integration_app.transfer.ledger import Ledger
from integration_app.transfer.readers.threads import SPANS

LEDGER = Path(".omi-import.sqlite")
MANY = 240
"""Conversations that take more than a day at ten an hour."""


@click.group()
def omi() -> None:
    """Your data in Omi: list, create, import, export."""


def _section(name: str, kind: str, columns: tuple[str, ...]) -> click.Group:
    group = click.Group(name, help=f"List and create {name.replace('-', ' ')}.")

    @group.command("list")
    @whose
    @click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100_000))
    @click.option("--json", "want_json", is_flag=True)
    def listed(uid: str | None, limit: int, want_json: bool) -> None:
        """The newest ones."""
        with account(uid) as found:
            rows = [row for row, _ in zip(exporting.rows(found.items(kind)), range(limit), strict=False)]
        if want_json:
            as_json(rows)
            return
        table(columns, [[_short(row.get(name, "")) for name in columns] for row in rows])

    return group


conversations = _section("conversations", "conversations", ("started_at", "title", "source", "id"))
memories = _section("memories", "memories", ("created_at", "content", "category", "id"))
action_items = _section("action-items", "action_items", ("due_at", "completed", "description", "id"))


@conversations.command("create")
@whose
@click.argument("text")
@click.option("--source", default="other_text", show_default=True)
@click.option("--spec", default="note", show_default=True)
@json_option
def create_conversation(uid: str | None, text: str, source: str, spec: str) -> None:
    """A conversation from TEXT (- reads standard input)."""
    said = sys.stdin.read() if text == "-" else text
    with account(uid) as found:
        if found.developer:
            made = found.developer.create_conversation(
                NewTextConversation(text=said, text_source=source, text_source_spec=spec)
            )
            _made(made.id)
        elif found.integrations:
            found.integrations.create_conversation(
                found.uid, NewConversation(text=said, text_source=source, text_source_spec=spec)
            )
            _made(None)


@memories.command("create")
@whose
@click.argument("content")
@click.option("--tag", "tags", multiple=True)
@json_option
def create_memory(uid: str | None, content: str, tags: tuple[str, ...]) -> None:
    """A memory with CONTENT."""
    with account(uid) as found:
        if found.developer:
            _made(found.developer.create_memory(NewDeveloperMemory(content, tags=tags)).id)
        elif found.integrations:
            found.integrations.create_memories(found.uid, NewMemories(memories=(NewMemory(content, tags),)))
            _made(None)


@action_items.command("create")
@click.argument("description")
@click.option("--due", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC.")
@json_option
def create_action_item(description: str, due: datetime | None) -> None:
    """An action item. Needs OMI_DEVELOPER_KEY: the app's API has none to create."""
    with account(None) as found:
        if found.developer:
            when = due.replace(tzinfo=UTC) if due else None
            _made(found.developer.create_action_item(NewActionItem(description, due_at=when)).id)


def _made(item_id: str | None) -> None:
    if item_id and not wants_json():
        click.echo(item_id)
    else:
        say("accepted (this API names no id)", id=item_id)


@omi.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@whose
@click.option("--kind", type=click.Choice(list(readers.KINDS)), help="Of the files; found out by itself otherwise.")
@click.option(
    "--as", "as_what", type=click.Choice(["auto", "memories", "tasks"]), default="auto", help="Rows of tables."
)
@click.option("--per", type=click.Choice(list(SPANS)), default="day", help="Texts of so long are one conversation.")
@click.option("--me", multiple=True, help="How the files name you: a name in a chat, a speaker in a meeting.")
@click.option("--zone", default="UTC", show_default=True, help="Of times that say none, such as Europe/Lisbon.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and how long it takes.")
@click.option("--ledger", default=LEDGER, show_default=True, type=click.Path(path_type=Path))
@click.option("--json", "want_json", is_flag=True)
def import_(
    paths: tuple[Path, ...],
    uid: str | None,
    kind: str | None,
    as_what: str,
    per: str,
    me: tuple[str, ...],
    zone: str,
    dry_run: bool,
    ledger: Path,
    want_json: bool,
) -> None:
    """Bring files into Omi, with their dates; duplicates are skipped.

    mbox and .eml, the XML of "SMS Backup & Restore", WhatsApp chats, CSV and JSON lines of memories or tasks, Markdown
    notes, transcripts (VTT, SRT, Zoom, Teams). Stop it whenever you like: the next run goes on from there.
    """
    options = readers.Options(me=me, zone=_zone(zone), as_what=as_what, per=per)
    with account(uid) as found:
        place = found.place()
        with Ledger(ledger, place.name) as book:
            items = [item for path in paths for item in readers.read(path, options, kind)]
            made = importing.plan(items, place, book)
            summary: dict[str, Any] = {
                "new": made.counts,
                "duplicates": made.duplicates,
                "calls": made.calls,
                "hours": round(made.hours, 2),
            }
            if not want_json:
                _tell(made)
            if not dry_run:
                with _progress(len(made.new)) as bar:
                    report = importing.carry_out(made, place, book, bar)
                summary |= {"sent": report.sent, "duplicates": report.duplicates}
                if not want_json:
                    click.echo(f"sent {_counts(report.sent)}; {report.duplicates} duplicates skipped")
    if want_json:
        as_json(summary)


@omi.command()
@click.argument("path", type=click.Path(path_type=Path))
@whose
@click.option("--format", "form", type=click.Choice(exporting.FORMATS), default="jsonl", show_default=True)
@click.option("--json", "want_json", is_flag=True)
def export(path: Path, uid: str | None, form: str, want_json: bool) -> None:
    """Write everything readable to PATH. A second time only what is new is added."""
    counts: dict[str, dict[str, int]] = {}
    with account(uid) as found:
        target = exporting.sink(path, form)
        try:
            for kind in exporting.KINDS:
                done = counts.setdefault(kind, {"new": 0, "there already": 0})
                for row in exporting.rows(found.items(kind)):
                    done["new" if target.add(kind, row) else "there already"] += 1
        finally:
            target.close()
    if want_json:
        as_json(counts)
        return
    for kind, done in counts.items():
        click.echo(f"{kind.replace('_', ' ')}: {done['new']} written, {done['there already']} there already")


for section in (conversations, memories, action_items):
    omi.add_command(section)


def _tell(made: importing.Plan) -> None:
    calls = sum(made.calls.values())
    click.echo(f"new: {_counts(made.counts)}; {made.duplicates} duplicates", err=True)
    if calls:
        takes = f"; at Omi's documented limits that takes {in_words(made.hours * 3600)}" if made.hours else ""
        click.echo(f"{count(calls, 'call')}{takes}", err=True)
    if made.counts.get("conversations", 0) > MANY:
        click.echo("(--per month makes fewer conversations of many texts)", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on a terminal, nothing elsewhere."""
    if not total or not sys.stderr.isatty():
        yield lambda count: None
        return
    with click.progressbar(length=total, file=sys.stderr, show_pos=True) as bar:
        yield bar.update


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "nothing"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        fail(f"{name!r} is no time zone such as Europe/Lisbon", USAGE)
