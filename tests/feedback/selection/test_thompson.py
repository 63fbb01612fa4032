from __future__ import annotations

from heedful.feedback.selection.evidence import Evidence
from heedful.feedback.selection.thompson import by_thompson


def test_each_model_has_its_say() -> None:
    scores = [[3.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 0.0]]
    found = by_thompson(Evidence.of(4, scores=scores), 1)
    # The first model departs most at 0; the second and fourth at 1 (by half as much as the mean of 0 and 3 says);
    # the third, which sees no difference, at 1 as well.
    assert found.tolist() == [0.25, 0.75, 0.0, 0.0]
    assert by_thompson(Evidence.of(4, scores=scores), 3).sum() == 3.0
