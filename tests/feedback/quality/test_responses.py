"""How one annotator answers: probabilities by hand, slopes by finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.feedback.quality.population import Population
from heedful.feedback.quality.responses import (
    A_S,
    B_S,
    GRID_G,
    NORMAL_G,
    Table,
    accuracy,
    log_prior,
    log_probabilities,
    probabilities,
)
from heedful.seeds import generator


def sigma(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def table(hesitates: bool = True) -> tuple[Table, np.ndarray]:
    random = generator(0, "table")
    outcomes = random.choice([0, 0.5, 1] if hesitates else [0, 1], 60)
    return Table.of(random.integers(3, size=60), outcomes, random.choice([-1.0, 0.0, 1.0], 60), 3)


def test_the_grid_is_a_normal_distribution_without_zero() -> None:
    assert NORMAL_G.sum() == pytest.approx(1)
    assert (NORMAL_G * GRID_G**2).sum() == pytest.approx(1, abs=0.02)
    assert pytest.approx(-GRID_G[::-1]) == GRID_G
    assert (GRID_G != 0).all()


def test_states_are_differences_and_alike() -> None:
    prior_S = np.exp(log_prior(0.2))
    assert (prior_S[A_S].sum(), prior_S[B_S].sum(), prior_S[-1]) == pytest.approx((0.4, 0.4, 0.2))
    assert np.exp(log_prior(0.0))[-1] == 0


def test_probabilities_are_the_formula() -> None:
    found = probabilities(np.array([[1.5, 0.4, 0.3, 0.6]]), np.array([-1.0]))[0]
    eta = 1.5 * GRID_G[20] - 0.4
    a, b = sigma(eta - 0.3), sigma(-eta - 0.3)
    assert found[20] == pytest.approx([a, 1 - a - b, b])
    assert found[-1] == pytest.approx([0.4 * sigma(-0.4), 0.6, 0.4 * sigma(0.4)])
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("outcome", [1.0, 0.5, 0.0])
def test_log_probabilities_are_their_logarithms(outcome: float) -> None:
    parameters, side = np.array([[1.5, 0.4, 0.3, 0.6], [-0.5, -0.2, 1.0, 0.9]]), np.array([1.0, -1.0])
    eta = parameters[:, :1] * GRID_G + (parameters[:, 1] * side)[:, None]
    a = 1 / (1 + np.exp(parameters[:, 2:3] - eta))
    b = 1 / (1 + np.exp(parameters[:, 2:3] + eta))
    expected = {1.0: a, 0.5: 1 - a - b, 0.0: b}[outcome]
    assert log_probabilities(np.full(2, outcome), parameters, side)[:, :-1] == pytest.approx(np.log(expected))


def test_swapping_sides_and_completions_swaps_the_answers() -> None:
    parameters = np.array([[1.5, 0.4, 0.3, 0.6]])
    found, turned = (probabilities(parameters, np.array([side]))[0] for side in (1.0, -1.0))
    assert turned[:-1][::-1, ::-1] == pytest.approx(found[:-1])
    assert turned[-1][::-1] == pytest.approx(found[-1])


@pytest.mark.parametrize("hesitates", [True, False])
def test_scores_and_information_are_the_derivatives(hesitates: bool) -> None:
    found, _ = table(hesitates)
    random = generator(1, "table")
    counts = random.random((len(found.annotator_R), len(A_S)))
    parameters = np.array([[1.5, 0.3, 0.4, 0.7], [-0.5, -0.2, 1.0, 0.2], [0.1, 0.9, 0.2, 0.5]])
    if not hesitates:
        parameters[:, 2] = 0.0
    information, score = found.information(parameters, counts)

    def value(at: np.ndarray) -> np.ndarray:
        return np.bincount(found.annotator_R, (counts * found.log_probabilities(at)).sum(axis=1), 3)

    slope = np.zeros((3, 3))
    np.add.at(slope, found.annotator_R, np.einsum("rs,rsk->rk", counts, score))
    h = 1e-4
    for k in range(3 if hesitates else 2):
        step = np.zeros((3, 4))
        step[:, k] = h
        up, down = value(parameters + step), value(parameters - step)
        assert slope[:, k] == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-4)
        for j in range(3 if hesitates else 2):
            other = np.zeros((3, 4))
            other[:, j] = h
            bend = value(parameters + step + other) - value(parameters + step - other)
            bend -= value(parameters - step + other) - value(parameters - step - other)
            assert information[:, k, j] == pytest.approx(-bend / (4 * h**2), rel=1e-3, abs=1e-3)


def test_a_step_never_loses_even_from_far_away() -> None:
    found, _ = table()
    counts = generator(2, "table").random((len(found.annotator_R), len(A_S))) * 30
    population = Population()
    parameters = np.array([[9.0, -3.0, 0.001, 0.1], [-9.0, 3.0, 5.0, 0.9], [0.0, 0.0, 0.4, 0.5]])
    for _ in range(30):
        before = _objective(found, parameters, counts, population)
        parameters, log_RS = found.maximised(parameters, counts, population)
        assert log_RS == pytest.approx(found.log_probabilities(parameters))
        assert (_objective(found, parameters, counts, population) >= before - 1e-9).all()


def _objective(found: Table, parameters: np.ndarray, counts: np.ndarray, population: Population) -> np.ndarray:
    gained = np.bincount(found.annotator_R, (counts * found.log_probabilities(parameters)).sum(axis=1), 3)
    return gained + population.log_density(parameters, found.hesitates)


def test_accuracy_is_a_half_without_skill_and_mirrors() -> None:
    assert accuracy(0.0) == pytest.approx(0.5)
    assert accuracy(2.0) + accuracy(-2.0) == pytest.approx(1)
    draws = np.abs(generator(0, "accuracy").normal(size=200_000))
    assert accuracy([2.0])[0] == pytest.approx((1 / (1 + np.exp(-2 * draws))).mean(), abs=0.005)


def test_all_votes_of_one_kind_share_a_row() -> None:
    found, row_V = Table.of(np.array([1, 0, 1]), np.array([1, 0.5, 1]), np.array([-1.0, 0, -1]), 2)
    assert row_V.tolist() == [1, 0, 1]
    assert (found.annotator_R.tolist(), found.outcome_R.tolist(), found.side_R.tolist()) == ([0, 1], [0.5, 1], [0, -1])
    assert found.hesitates
