"""The prior of annotators and pairs: its derivatives, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.feedback.quality.population import Population


def test_slope_and_information_are_the_derivatives() -> None:
    population = Population(skill=1.0, skill_spread=0.7, bias_spread=0.3, hesitation=0.5)
    at, h = np.array([[1.5, 0.3, 0.4, 0.6]]), 1e-4
    for k in range(3):
        step = np.zeros((1, 4))
        step[0, k] = h
        up, middle, down = (population.log_density(at + d, True)[0] for d in (step, 0 * step, -step))
        assert population.slope(at, True)[0, k] == pytest.approx((up - down) / (2 * h), rel=1e-5)
        assert population.information(at, True)[0, k, k] == pytest.approx(-(up - 2 * middle + down) / h**2, rel=1e-4)


def test_the_middle_is_the_most_probable_annotator() -> None:
    population = Population()
    middle = population.middle(1, hesitates=True)
    assert population.slope(middle, True) == pytest.approx(np.zeros((1, 3)))
    for other in (0.6, 0.8):
        moved = middle.copy()
        moved[0, 3] = other
        assert population.log_density(moved, True)[0] < population.log_density(middle, True)[0]


def test_spotting_is_the_most_probable_one() -> None:
    population = Population(spotting=0.5)
    [found] = population.spotting_of(np.array([6.0]), np.array([8.0]))
    assert found == pytest.approx(8 / 12)


def test_what_is_learned_is_these_annotators_and_four_usual_ones() -> None:
    parameters = np.tile([0.5, 0.2, 0.8, 0.9], (16, 1))
    found = Population().learned(parameters, np.zeros((16, 3, 3)), np.full(80, 0.5), True)
    assert found.skill == pytest.approx((16 * 0.5 + 4 * 2.0) / 20)
    squares = 16 * (0.5 - found.skill) ** 2 + 4
    assert found.skill_spread == pytest.approx(np.sqrt(squares / 20))
    assert found.bias_spread == pytest.approx(np.sqrt((16 * 0.04 + 4 * 0.25) / 20))
    assert found.hesitation == pytest.approx((16 * 0.8 + 4 * 0.4) / 20)
    assert found.spotting == pytest.approx((16 * 0.9 + 4 * 0.7) / 20)
    assert found.alike == pytest.approx((80 * 0.5 + 20 * 0.1) / 100)


def test_without_ties_nothing_is_learned_about_ties() -> None:
    found = Population().learned(np.zeros((5, 4)), np.zeros((5, 3, 3)), np.zeros(9), False)
    assert (found.hesitation, found.spotting, found.alike) == (0.4, 0.7, 0.1)
