"""The page of `omi-inbox dev` that shows everything at work, over the real stack."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from integration_app.local.show import Show
from tests.journeys.conftest import PHONE, UID, Journey


@pytest.fixture
def show(journey: Journey) -> Iterator[Show]:
    made = Show(journey.stack, journey.services, UID, PHONE)
    made.start()
    yield made
    made.stop()


def do(show: Show, origin: str | None = None, **fields: str) -> requests.Response:
    headers = {"Origin": show.url if origin is None else origin}
    return requests.post(f"{show.url}/do", data=fields, headers=headers, timeout=20)


def words_of(show: Show) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", requests.get(show.url, timeout=5).text).split())


def test_a_text_and_a_mail_go_their_road(journey: Journey, show: Show) -> None:
    assert "Nothing yet" in words_of(show)
    assert "stored" in " ".join(re.sub(r"<[^>]+>", " ", do(show, what="text", words="Dinner with Mara").text).split())
    assert do(show, what="mail", words="The minutes of today").ok
    journey.until(lambda: words_of(show).count("In Omi after") == 2)
    said = words_of(show)
    assert "Dinner with Mara" in said
    assert "The minutes of today" in said
    assert "Write something first" in words_of(show) + do(show, what="text", words=" ").text


def test_omis_limit_is_seen_and_mended(journey: Journey, show: Show) -> None:
    do(show, what="limit")
    do(show, what="text", words="held up")
    journey.until(lambda: "rate limit, until" in words_of(show))
    do(show, what="mend")
    journey.until(lambda: "In Omi after" in words_of(show), seconds=40)


def test_pages_of_elsewhere_do_nothing(show: Show) -> None:
    assert do(show, origin="https://evil.example", what="text", words="x").status_code == 403
    assert requests.get(show.url, headers={"Host": "evil.example"}, timeout=5).status_code == 403
