from __future__ import annotations

import numpy as np

from heedful.feedback.selection.disagreement import by_disagreement, chances
from heedful.feedback.selection.evidence import Evidence


def test_where_the_models_contradict_each_other_is_asked() -> None:
    scores = [[0.0, 2.0, 9.0], [0.0, -2.0, 5.0]]  # the last differ more, but both are sure of the same side
    assert by_disagreement(Evidence.of(3, scores=scores), 1).tolist() == [0.0, 1.0, 0.0]


def test_chances_are_logistic_and_never_overflow() -> None:
    found = chances(np.array([-1000.0, 0.0, np.log(3.0), 1000.0]))
    assert found.tolist() == [0.0, 0.5, 0.75, 1.0]
