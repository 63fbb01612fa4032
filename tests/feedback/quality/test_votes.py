from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.quality.votes import codes, outcomes, pair_votes, sides


def test_votes_know_their_sizes() -> None:
    votes = pair_votes([0, 2], [1, 0], [0, 4], [1, 0.5])
    assert (votes.items, votes.annotators) == (3, 5)
    assert votes.side_V.tolist() == [0, 0]
    assert pair_votes([0], [1], [0], [1], items=9, annotators=7).items == 9


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (([0], [0], [0], [1.0]), "itself"),
        (([0], [1], [0], [0.3]), "outcome"),
        (([0, 1], [1], [0], [1.0]), "length"),
        (([], [], [], []), "no votes"),
        (([-1], [1], [0], [1.0]), "outside"),
        (([0.5], [1], [0], [1.0]), "numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(columns: tuple[list[float], ...], what: str) -> None:
    first, second, annotator, outcome = columns
    with pytest.raises(Problem, match=what):
        pair_votes(first, second, annotator, outcome)


def test_sides_and_codes_are_checked() -> None:
    with pytest.raises(Problem, match="side"):
        sides([2], 1)
    with pytest.raises(Problem, match=r"0 \.\. 2"):
        codes(np.array([3]), "item_V", 3)
    assert outcomes([0, 0.5, 1]).dtype == np.float64
