"""The fuzz run of the proof, short: every provider and the mail reader."""

from __future__ import annotations

import pytest

from tests.proof import fuzz


@pytest.mark.parametrize("target", fuzz.targets())
def test_spoiled_input_is_refused_or_read_and_nothing_else(target: str) -> None:
    result = fuzz.try_target(target, 300)
    assert result.crash is None, result
    assert result.inputs >= 300
    assert result.let_in, "nothing got as far as being read: the fuzzing fuzzes nothing"
