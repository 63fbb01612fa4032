from __future__ import annotations

import numpy as np
import pytest

from heedful.feedback.selection.sampling import systematic, with_control


def test_systematic_samples_have_their_size_and_probabilities() -> None:
    probabilities = np.array([1.0, 0.5, 0.5, 0.25, 0.75, 0.0, 1.0])
    random, draws = np.random.default_rng(0), 4000
    counts = np.zeros(7)
    for _ in range(draws):
        sample = systematic(probabilities, random)
        assert len(set(sample.tolist())) == 4
        counts[sample] += 1
    error = np.sqrt(probabilities * (1 - probabilities) / draws)
    assert (np.abs(counts / draws - probabilities) <= 4 * error).all()


def test_nothing_and_everything_can_be_drawn() -> None:
    random = np.random.default_rng(0)
    assert len(systematic(np.zeros(3), random)) == 0
    assert sorted(systematic(np.ones(3), random).tolist()) == [0, 1, 2]
    for _ in range(200):  # rounding never draws one twice
        assert len(set(systematic(np.full(30, 0.1), random).tolist())) == 3


@pytest.mark.parametrize(("control", "wanted"), [(0, 4), (4, 0), (3, 4), (6, 4), (1, 8)])
def test_the_two_samples_together_have_the_stated_probabilities(control: int, wanted: int) -> None:
    random, draws, size = np.random.default_rng(1), 4000, 10
    probabilities = np.zeros(size)
    probabilities[:wanted] = 1.0
    if wanted == 4:
        probabilities[:8] = 0.5
    counts = np.zeros(size)
    for _ in range(draws):
        at_random, others, stated = with_control(probabilities, control, random)
        both = [*at_random.tolist(), *others.tolist()]
        assert (len(at_random), len(both), len(set(both))) == (control, control + wanted, control + wanted)
        counts[both] += 1
    assert stated.sum() == pytest.approx(control + wanted)
    error = np.sqrt(stated * (1 - stated) / draws)
    assert (np.abs(counts / draws - stated) <= 4 * error + 1e-12).all()
