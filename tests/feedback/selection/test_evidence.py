from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.selection.evidence import Evidence, top


def test_one_models_scores_are_an_ensemble_of_one() -> None:
    known = Evidence.of(3, scores=[1, 2, 3], features=[[1], [2], [3]])
    assert known.scores("margin").shape == (1, 3)
    assert known.features("d_optimal").shape == (3, 1)


def test_other_shapes_and_numbers_are_refused() -> None:
    for scores, features in (
        ([1.0, 2.0], None),
        ([[[1.0, 2.0, 3.0]]], None),
        (None, [1.0, 2.0, 3.0]),
        (None, [[1.0], [2.0]]),
        ([1.0, float("nan"), 2.0], None),
        (None, [[1.0], [float("inf")], [2.0]]),
    ):
        with pytest.raises(Problem):
            Evidence.of(3, scores, features)


def test_a_policy_may_need_several_models() -> None:
    with pytest.raises(Problem, match="2 or more reward models"):
        Evidence.of(2, scores=[1.0, 2.0]).scores("thompson", least=2)


def test_the_highest_are_certain_and_ties_share_what_is_left() -> None:
    assert top(np.array([3.0, 1.0, 2.0]), 2).tolist() == [1.0, 0.0, 1.0]
    assert top(np.array([3.0, 1.0, 1.0, 1.0]), 2).tolist() == pytest.approx([1.0, 1 / 3, 1 / 3, 1 / 3])
    assert top(np.zeros(4), 1).tolist() == [0.25] * 4
    assert top(np.array([3.0, 1.0]), 0).tolist() == [0.0, 0.0]
