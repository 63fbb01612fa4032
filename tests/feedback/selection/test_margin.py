from __future__ import annotations

from heedful.feedback.selection.evidence import Evidence
from heedful.feedback.selection.margin import by_margin


def test_the_smallest_margins_of_one_model_are_asked() -> None:
    assert by_margin(Evidence.of(4, scores=[3.0, -0.1, -2.0, 0.5]), 2).tolist() == [0.0, 1.0, 0.0, 1.0]


def test_among_several_models_the_smallest_possible_margin_counts() -> None:
    scores = [[1.0, 0.1, 2.0], [1.0, 0.1, -1.0]]  # means 1, 0.1, 0.5; deviations 0, 0, 1.5
    assert by_margin(Evidence.of(3, scores=scores), 1).tolist() == [0.0, 0.0, 1.0]
