"""Strengths from rankings: against an independent library, and against the truth behind simulated ones."""

from __future__ import annotations

import choix
import numpy as np
import pytest

from heedful.errors import Problem
from heedful.evaluation.plackett_luce import plackett_luce
from heedful.seeds import generator

TRUTH = np.array([1.2, 0.6, 0.1, -0.4, -1.5])


def drawn(count: int, size: int, seed: int) -> list[list[int]]:
    """Rankings of `size` random items: those of the noisy utilities s + Gumbel noise."""
    random = generator(seed, "rankings")
    found = []
    for _ in range(count):
        asked = random.choice(len(TRUTH), size, replace=False)
        found.append(asked[np.argsort(-(TRUTH[asked] + random.gumbel(size=size)))].tolist())
    return found


def test_ten_thousand_rankings_recover_strengths_within_a_tenth() -> None:
    for size in (2, 4):
        assert np.abs(plackett_luce(drawn(10_000, size, size), 5) - TRUTH).max() < 0.1


def test_strengths_are_those_of_choix() -> None:
    orders = drawn(60, 4, 3) + drawn(40, 2, 4)
    wanted = choix.opt_rankings(5, [tuple(order) for order in orders], alpha=0.0)
    np.testing.assert_allclose(plackett_luce(orders, 5), wanted - wanted.mean(), atol=1e-4)


def test_two_items_by_hand() -> None:
    assert plackett_luce([[0, 1]] * 3 + [[1, 0]], 2) == pytest.approx([np.log(3) / 2, -np.log(3) / 2])


def test_what_has_no_maximum_or_is_no_ranking_is_refused() -> None:
    with pytest.raises(Problem, match="never rank below"):
        plackett_luce([[0, 1, 2], [0, 2, 1]], 3)
    with pytest.raises(Problem, match="never rank below"):
        plackett_luce([[0, 1], [1, 0]], 3)
    for nothing, items in (([[0]], 1), ([], 1)):
        with pytest.raises(Problem, match="never rank below"):
            plackett_luce(nothing, items)
    for order in ([0, 0], [0, 3]):
        with pytest.raises(Problem, match="entry 1"):
            plackett_luce([[0, 1], order], 3)
    with pytest.raises(Problem, match="still change"):
        plackett_luce([[0, 1], [1, 0], [1, 0]], 2, limit=1)
