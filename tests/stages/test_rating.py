"""Why a candidate is not promoted: the words for each case."""

from __future__ import annotations

import pytest

from heedful.stages.rating import refusal


@pytest.mark.parametrize(
    ("low", "high", "hacked", "expected"),
    [
        (0.51, 0.7, False, ""),
        (0.5, 0.7, False, "the lower bound is not above one half"),
        (0.3, 0.5, False, "the lower bound is not above one half"),
        (0.51, 0.7, True, "the learned score rose while the true one fell"),
        (0.3, 0.7, True, "the learned score rose while the true one fell"),
    ],
)
def test_a_candidate_is_promoted_only_where_people_prefer_it_and_nothing_was_exploited(
    low: float, high: float, hacked: bool, expected: str
) -> None:
    assert refusal({"low": low, "high": high}, "v0", hacked=hacked) == expected


@pytest.mark.parametrize("hacked", [False, True])
def test_a_candidate_that_lost_beyond_doubt_is_called_so(hacked: bool) -> None:
    words = refusal({"low": 0.1, "high": 0.49}, "v3", hacked=hacked)
    assert words.startswith("people prefer v3 beyond doubt")
    assert "sign" in words
