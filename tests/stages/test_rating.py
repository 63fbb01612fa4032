"""What votes between two versions come to, in numbers and words, and why a candidate is not promoted."""

from __future__ import annotations

import pytest

from heedful.stages.rating import Vote, duel, in_words, refusal


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


def vote(outcome: float, annotator: str, *, bad: bool = False, turned: bool = False) -> Vote:
    given = Vote("v1", "v0", outcome, annotator, f"p-{annotator}", "", 4, 9, bad)
    return given.seen_from("v0") if turned else given


def test_both_bad_is_a_tie_that_is_told_apart() -> None:
    cast = [vote(1, "ann"), vote(0.5, "bob"), vote(0.5, "cem", bad=True, turned=True), vote(1, "dot", turned=True)]
    assert (cast[3].a, cast[3].outcome, cast[3].length_a) == ("v0", 0, 9)
    found = duel(cast, "v1", "v0")
    assert found["win_rate"]["rate"] == pytest.approx((1 + 0.5 + 0.5 + 1) / 4)
    assert found["both_bad"]["value"] == 0.25
    assert 0 < found["both_bad"]["low"] < 0.25 < found["both_bad"]["high"] < 0.9
    words = in_words("v1", found)
    assert words.startswith("v1 wins 75.0 %")
    assert "against v0 (4 votes of 4 annotators" in words
    assert "In 25.0 % [" in words
    assert "acceptable" not in in_words("v1", duel(cast[:2], "v1", "v0"))
