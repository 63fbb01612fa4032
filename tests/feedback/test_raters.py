from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.raters import granular, high_variance, skewed


def test_granular_raters_round_to_few_answers() -> None:
    assert granular([0.0, 0.09, 0.1, 0.49, 0.5, 1.0], 5).tolist() == pytest.approx([0, 0, 0.2, 0.4, 0.6, 1])
    assert granular([0.49, 0.5], 1).tolist() == [0, 1]


def test_skewed_raters_are_harsh_or_kind_and_keep_the_order() -> None:
    assert skewed([0.0, 0.5, 1.0], 2).tolist() == [0, 0.25, 1]
    assert skewed([0.25], 0.5).tolist() == [0.5]


def test_high_variance_raters_differ_most_in_the_middle() -> None:
    """Deviations 0.64 * 20 - 0.02 = 12.78 at 20, 67 - 33.5 = 33.5 at 50, and 0 at both ends (in hundredths)."""
    for score, deviation in ((0.2, 0.1278), (0.5, 0.335)):
        said = high_variance(np.full(100_000, score), 0.3, seed=1)
        assert said.std() == pytest.approx(0.3 * deviation, rel=0.02)
        assert said.mean() == pytest.approx(score, abs=0.002)
    assert high_variance([0.0, 1.0], seed=0).tolist() == [0, 1]
    wild = high_variance(np.full(1000, 0.5), 5.0, seed=0)
    assert wild.min() == 0
    assert wild.max() == 1
    assert (high_variance([0.3], seed=1) != high_variance([0.3], seed=2)).all()


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_scores_lie_between_0_and_1(score: float) -> None:
    with pytest.raises(Problem, match=r"outside 0\.\.1"):
        skewed([0.5, score])


def test_settings_that_are_no_rater_are_problems() -> None:
    with pytest.raises(Problem, match="two answers"):
        granular([0.5], 0)
    with pytest.raises(Problem, match="power"):
        skewed([0.5], 0.0)
