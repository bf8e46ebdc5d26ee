"""How Omi's framework reads bodies and queries, as it was seen at its real routers: dates, numbers, flags, lists."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_control import SandboxControl

ACCEPTED = (
    ("2026-11-20", "2026-11-20T00:00:00Z"),
    ("2026-11-20T10:00", "2026-11-20T10:00:00Z"),
    ("2026-11-20t10:00:00z", "2026-11-20T10:00:00Z"),
    ("2026-11-20 10:00:00.5+02:00", "2026-11-20T08:00:00.500000Z"),
    ("1795168800", "2026-11-20T10:00:00Z"),
    (1795168800, "2026-11-20T10:00:00Z"),
    (1795168800000, "2026-11-20T10:00:00Z"),
)
REFUSED = (
    ("soon", "input is too short"),
    ("2026-W47-5", "invalid character in month"),
    ("20261120T100000", "invalid date separator, expected `-`"),
    (" 2026-11-20T10:00:00", "invalid character in year"),
    ("2026-13-01", "month value is outside expected range of 1-12"),
    ("2026-02-30", "day value is outside expected range"),
    ("2026-11-20T10:00:00 ", "unexpected extra characters at the end of the input"),
)


@pytest.fixture(autouse=True)
def _enabled(sandbox: SandboxControl) -> None:
    sandbox.enable("u")


def create(sandbox: SandboxControl, **more: Any) -> Any:
    return sandbox.call("POST", "/user/conversations?uid=u", json={"text": "x", **more})


@pytest.mark.parametrize(("given", "read"), ACCEPTED)
def test_moments_of_a_body(sandbox: SandboxControl, given: Any, read: str) -> None:
    assert create(sandbox, started_at=given).status_code == 200
    (row,) = sandbox.call("GET", "/conversations?uid=u").json()["conversations"]
    assert row["started_at"] == read


@pytest.mark.parametrize(("given", "why"), REFUSED)
def test_no_moments_of_a_body(sandbox: SandboxControl, given: str, why: str) -> None:
    answer = create(sandbox, started_at=given)
    (row,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert (row["type"], row["ctx"]["error"]) == ("datetime_from_date_parsing", why)


@pytest.mark.parametrize("given", [[], {}, True])
def test_what_can_be_no_moment(sandbox: SandboxControl, given: Any) -> None:
    (row,) = create(sandbox, started_at=given).json()["detail"]
    assert row["type"] == "datetime_type"


def test_numbers_may_be_text(sandbox: SandboxControl) -> None:
    assert create(sandbox, geolocation={"latitude": "1.5", "longitude": "-2"}).status_code == 200
    (row,) = create(sandbox, geolocation={"latitude": "north", "longitude": 2}).json()["detail"]
    assert (row["type"], row["loc"]) == ("float_parsing", ["body", "geolocation", "latitude"])


@pytest.mark.parametrize(("raw", "status", "kind"), [(b"null", 422, "missing"), (b'{"text":"\xff"}', 400, None)])
def test_bodies_that_are_none(sandbox: SandboxControl, raw: bytes, status: int, kind: str | None) -> None:
    answer = sandbox.call("POST", "/user/conversations?uid=u", data=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    detail = answer.json()["detail"]
    assert detail == "There was an error parsing the body" if kind is None else detail[0]["type"] == kind


@pytest.mark.parametrize(("query", "found"), [("limit=1.0", 1), ("limit=0_2", 2), ("limit=3&limit=1", 1)])
def test_integers_of_a_query(sandbox: SandboxControl, query: str, found: int) -> None:
    for _ in range(3):
        create(sandbox)
    assert len(sandbox.call("GET", f"/conversations?uid=u&{query}").json()["conversations"]) == found


@pytest.mark.parametrize(("date", "status"), [("2026-11-20", 200), ("2026-W47-5", 400), ("1795168800", 400)])
def test_bounds_of_a_query(sandbox: SandboxControl, date: str, status: int) -> None:
    assert sandbox.call("GET", f"/conversations?uid=u&start_date={date}").status_code == status


def test_eight_digits_are_seconds(sandbox: SandboxControl) -> None:
    create(sandbox, started_at="2001-01-01")
    assert len(sandbox.call("GET", "/conversations?uid=u&start_date=20240105").json()["conversations"]) == 1


@pytest.mark.parametrize(
    ("more", "status", "found"),
    [
        ({"page": 0}, 200, 0), ({"page": -1}, 200, 0), ({"page": "1"}, 200, 1), ({"page": None}, 500, 0),
        ({"per_page": 0}, 500, 0), ({"include_discarded": "perhaps"}, 422, 0), ({"start_date": 5}, 422, 0),
    ],
)  # fmt: skip
def test_pages_of_a_search(sandbox: SandboxControl, more: dict[str, Any], status: int, found: int) -> None:
    create(sandbox)
    answer = sandbox.call("POST", "/search/conversations?uid=u", json={"query": "x", **more})
    assert answer.status_code == status
    assert status != 200 or len(answer.json()["conversations"]) == found


def test_items_of_a_list_are_named(sandbox: SandboxControl) -> None:
    asked = {"text": None, "memories": [{"content": "tea", "tags": ["a", 1]}]}
    (row,) = sandbox.call("POST", "/user/memories?uid=u", json=asked).json()["detail"]
    assert (row["type"], row["loc"]) == ("string_type", ["body", "memories", 0, "tags", 1])
