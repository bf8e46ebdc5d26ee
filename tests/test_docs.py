"""The documents say what the code does: the policy table, commands, links, settings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from integration_app.cli import main
from integration_app.model import Decision, Done, GateScope, Kind, Park, Reconcile, Retry
from integration_app.omi import (
    AppMisconfigured,
    AppNotEnabled,
    BadCredentials,
    Conflict,
    InvalidRequest,
    MissingScope,
    NotFound,
    OmiError,
    OutcomeUnknown,
    PaymentRequired,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from integration_app.pipeline.delivery.policy import Situation, decide, read_back_failed
from integration_app.pipeline.rules import Rules
from tests.conftest import REPO
from tests.write_docs import GENERATED, providers_page

PAGES = sorted([REPO / "README.md", REPO / "CHANGELOG.md", *(REPO / "docs").rglob("*.md")])
NOW = datetime(2026, 11, 20, tzinfo=UTC)
RULES = Rules()

CASES: dict[str, tuple[OmiError | None, Kind]] = {
    "200": (None, Kind.CONVERSATION),
    "429 with Retry-After": (RateLimited("", retry_after=77.0), Kind.CONVERSATION),
    "429 without Retry-After": (RateLimited(""), Kind.CONVERSATION),
    "no connection": (Unreachable(""), Kind.CONVERSATION),
    "503 with Retry-After": (Unavailable("", retry_after=77.0), Kind.CONVERSATION),
    "503 without Retry-After": (Unavailable(""), Kind.CONVERSATION),
    "5xx, 408, 2xx without JSON, time-out, dropped: conversation": (OutcomeUnknown(""), Kind.CONVERSATION),
    "5xx, 408, 2xx without JSON, time-out, dropped: memories": (OutcomeUnknown(""), Kind.MEMORIES),
    "403 not enabled": (AppNotEnabled(""), Kind.CONVERSATION),
    "403 capability": (AppMisconfigured("", capability=True), Kind.CONVERSATION),
    "401, 403 API key": (BadCredentials(""), Kind.CONVERSATION),
    "404": (AppMisconfigured(""), Kind.CONVERSATION),
    "400, 422": (InvalidRequest(""), Kind.CONVERSATION),
    "402: a paid plan is needed": (PaymentRequired(""), Kind.CONVERSATION),
    "403 scope": (MissingScope(""), Kind.CONVERSATION),
    "404 of one item": (NotFound(""), Kind.CONVERSATION),
    "409": (Conflict(""), Kind.CONVERSATION),
    "any other answer, HTML": (UnexpectedAnswer(""), Kind.CONVERSATION),
}
HOLDS = {
    GateScope.KIND: "one kind of this uid",
    GateScope.UID: "this uid",
    GateScope.ALL_OF_KIND: "one kind of everybody",
    GateScope.ALL: "everybody",
}


def at(kind: Kind, tries: int = 0) -> Situation:
    return Situation(
        now=NOW, kind=kind, first_tried_at=NOW, tries=tries, tries_for_all=tries, repeatable=kind is Kind.MEMORIES
    )


def in_words(error: OmiError | None, kind: Kind) -> tuple[str, str]:
    """What the policy decides, as the table puts it."""
    decision = decide(error, at(kind), RULES)
    match decision:
        case Done():
            return "done", "nobody"
        case Reconcile():
            return "outcome unknown: read back", "this sender's texts"
        case Park():
            return "park, alarm" if decision.alarm else "park", "nobody"
        case Retry(scope=GateScope() as scope):
            return retry_in_words(error, kind, decision), HOLDS[scope]
    raise AssertionError(decision)


def retry_in_words(error: OmiError | None, kind: Kind, decision: Retry) -> str:
    first = decision.at - NOW
    if decision.left:
        assert first == timedelta(hours=6)
        return "hold, mark as left, try every six hours"
    longest = decide(error, at(kind, tries=50), RULES)
    assert isinstance(longest, Retry)
    minutes = int((longest.at - NOW).total_seconds() / 60)
    if decision.alarm:
        assert first == timedelta(minutes=1)
        return f"hold, alarm, try after 1, 2, 4 … {minutes} min"
    if first == timedelta(seconds=77):
        return "wait exactly that long"
    assert first == timedelta(seconds=1)
    return f"wait 1, 2, 4 … s, at most {minutes} min"


def test_the_providers_page_shows_every_setup() -> None:
    page = REPO.joinpath("docs", "providers.md").read_text(encoding="utf-8")
    assert page == providers_page(page), "run `make docs`"


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert REPO.joinpath("docs", name).read_text(encoding="utf-8") == GENERATED[name](), "run `make docs`"


def test_every_page_is_in_the_sites_list() -> None:
    listed = (REPO / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(REPO / "docs").as_posix() for path in (REPO / "docs").rglob("*.md")]
    assert [page for page in pages if f": {page}" not in listed] == []


def policy_table() -> dict[str, tuple[str, str]]:
    text = (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
    table = text.partition("| what happened |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: (row[1], row[2]) for row in rows}


@pytest.mark.parametrize("happened", CASES)
def test_the_policy_table_says_what_the_policy_does(happened: str) -> None:
    assert policy_table()[happened] == in_words(*CASES[happened])


def test_the_policy_table_has_no_other_rows() -> None:
    assert set(policy_table()) == {*CASES, "outcome unknown, and the app may not read"}
    decision: Decision = read_back_failed(AppMisconfigured("", capability=True), at(Kind.CONVERSATION), RULES)
    assert isinstance(decision, Park)
    assert decision.alarm


def test_every_meaning_of_an_answer_has_a_row() -> None:
    covered = {type(error) for error, _ in CASES.values() if error}
    assert covered == set(OmiError.__subclasses__())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_named_exist(page: Path) -> None:
    assert isinstance(main, click.Group)
    for name in re.findall(r"`omi-inbox ([a-z][a-z-]+)", page.read_text(encoding="utf-8")):
        assert name in main.list_commands(click.Context(main)), f"{page.name} names omi-inbox {name}"


def test_every_command_is_explained_in_one_sentence() -> None:
    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        assert command.help, name


def test_make_targets_that_the_readme_names_exist() -> None:
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z]+)", (REPO / "README.md").read_text(encoding="utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_no_page_is_left_half_written() -> None:
    for path in [
        REPO / "README.md",
        REPO / "CHANGELOG.md",
        *(REPO / "docs").glob("*.md"),
        *(REPO / "benchmarks").glob("*.md"),
    ]:
        assert "@@" not in path.read_text(encoding="utf-8"), path
