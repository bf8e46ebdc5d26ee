"""`omi-inbox simulate`: what a change of the quiet window would do to calls and waiting, before it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import TextIO

import click

from integration_app.cli import output
from integration_app.cli.output import USAGE, fail
from integration_app.pipeline.rules import Rules
from integration_app.simulation import run, trace

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@click.command()
@click.option("--trace", "file", type=click.File("r", encoding="utf-8"), help="JSON lines; see docs/operations.md.")
@click.option("--profile", type=click.Choice(sorted(trace.PROFILES)), help="A month made up instead.")
@click.option("--seed", default=1, show_default=True, help="Another month of the same kind.")
@click.option("--limit", default="10/h", show_default=True, help="Calls of one kind that Omi allows a user.")
@click.option("--quiet", multiple=True, type=click.FloatRange(0), help="SMS_QUIET_SECONDS to try; several times.")
@click.option("--max-wait", multiple=True, type=click.FloatRange(0), help="SMS_MAX_WAIT_SECONDS to try; several times.")
@click.option("--mail-quiet", default=90.0, show_default=True, type=click.FloatRange(0), help="MAIL_QUIET_SECONDS.")
@click.option("--call", default=3.0, show_default=True, type=click.FloatRange(0), help="Seconds that a call takes.")
@click.option("--write", "dump", is_flag=True, help="Print the trace instead of running it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(
    file: TextIO | None,
    profile: str | None,
    seed: int,
    limit: str,
    quiet: tuple[float, ...],
    max_wait: tuple[float, ...],
    mail_quiet: float,
    call: float,
    dump: bool,
    as_json: bool,
) -> None:
    """Replay a month of messages against the real grouping: calls per message, minutes to Omi, refusals."""
    if (file is None) == (profile is None):
        fail("give either --trace FILE or --profile NAME", USAGE)
    try:
        arrivals = list(trace.read(file)) if file else trace.made_up(str(profile), seed)
    except (trace.TraceError, UnicodeDecodeError) as error:
        fail(f"{file.name if file else ''}: {error}", USAGE)
    if dump:
        click.echo("\n".join(trace.write(arrivals)))
        return
    calls, window = _limit(limit)
    quota = run.Quota(calls=calls, window=window, call=timedelta(seconds=call))
    mails = Rules(mail_quiet=timedelta(seconds=mail_quiet), mail_max_wait=timedelta(seconds=max(600.0, mail_quiet)))
    rows = list(_rows(arrivals, quiet or (90.0,), max_wait or (300.0,), mails, quota))
    if as_json:
        output.as_json(rows)
        return
    head = ("quiet s", "max wait s", "messages", "calls", "per message", "merged", "429", "p50 min", "p95 min")
    output.table(head, [tuple(row.values()) for row in rows])


def _rows(
    arrivals: list[trace.Arrival],
    quiets: tuple[float, ...],
    longest: tuple[float, ...],
    mails: Rules,
    quota: run.Quota,
) -> Iterator[dict[str, float]]:
    for quiet, wait in product(quiets, longest):
        rules = replace(mails, sms_quiet=timedelta(seconds=quiet), sms_max_wait=timedelta(seconds=wait))
        found = run.simulate(arrivals, rules, quota)
        yield {
            "quiet_seconds": quiet,
            "max_wait_seconds": wait,
            "messages": found.messages,
            "calls": found.calls,
            "calls_per_message": round(found.calls_per_message, 3),
            "merged": found.merged,
            "refused": found.refused,
            "p50_minutes": round(found.wait(0.5) / 60, 2),
            "p95_minutes": round(found.wait(0.95) / 60, 2),
        }


def _limit(text: str) -> tuple[int, timedelta]:
    calls, _, unit = text.partition("/")
    if not calls.isdecimal() or int(calls) < 1 or unit not in _UNITS:
        fail(f"--limit {text!r} is none: say 10/h, 60/min or 500/d", USAGE)
    return int(calls), timedelta(seconds=_UNITS[unit])
