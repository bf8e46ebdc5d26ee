"""What a chart draws adds up to what was counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from integration_app.web.charts import HEIGHT, WIDTH, chart

NOW = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def test_two_series_of_an_hour() -> None:
    made = chart({"accepted": [0] * 11 + [4], "delivered": [0] * 10 + [1, 2]}, each=FIVE, until=NOW)
    assert (made.most, made.totals, made.ticks) == (4, (4, 3), ("13:30", "14:00", "14:30"))
    assert [bar.says for bar in made.bars] == ["14:25: 4 accepted", "14:20: 1 delivered", "14:25: 2 delivered"]
    assert made.rows == (("14:20", (0, 1)), ("14:25", (4, 2)))


def test_nothing_was_counted() -> None:
    made = chart({"accepted": [0] * 288}, each=FIVE, until=NOW, joined=12)
    assert (made.most, made.bars, made.rows) == (0, (), ())


@given(
    st.integers(1, 3).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 10**6), min_size=24, max_size=24), min_size=n, max_size=n)
    ),
    st.sampled_from([1, 2, 12]),
)
def test_bars_stay_in_the_picture_and_add_up(values: list[list[int]], joined: int) -> None:
    series = {str(number): row for number, row in enumerate(values)}
    made = chart(series, each=FIVE, until=NOW, joined=joined)
    assert made.totals == tuple(map(sum, values))
    for bar in made.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 0.2
        assert 0 <= bar.y <= HEIGHT
        assert abs(bar.y + bar.height - HEIGHT) <= 0.11
    assert [sum(row[1][place] for row in made.rows) for place in range(len(values))] == list(made.totals)
