from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from heedful.errors import Problem
from heedful.feedback.selection.curves import fit_pairs, learning_curve, wilson


def pool(seed: int, size: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x_ND = random.normal(size=(size, 5))
    p_N = 1 / (1 + np.exp(-3 * x_ND @ np.array([1.0, -1.0, 0.5, 0.0, 0.0])))
    return x_ND, (random.random(size) < p_N).astype(float)


def test_more_labels_are_worth_more() -> None:
    x_ND, y_N = pool(0)
    [curve] = learning_curve(x_ND, y_N, ["random"] * 400)
    assert curve.selection == "random"
    labels = [point.labels for point in curve.points]
    assert labels[0] == 10
    assert labels[-1] == 320
    assert curve.points[-1].accuracy > curve.points[0].accuracy
    assert curve.points[-1].accuracy > 0.8
    for point in curve.points:
        assert point.low <= point.accuracy <= point.high
        assert point.examined == 400


def test_every_policy_is_examined_on_the_same_random_questions() -> None:
    x_ND, y_N = pool(1)
    useless = x_ND.copy()
    useless[200:, :] = 0.0  # what the policy chose teaches nothing
    curves = learning_curve(useless, y_N, ["random"] * 200 + ["margin"] * 200, sizes=[40, 150])
    assert [curve.selection for curve in curves] == ["random", "margin"]
    random, margin = curves
    assert {point.examined for curve in curves for point in curve.points} == {200}
    assert random.points[-1].accuracy > 0.75
    assert margin.points[-1].accuracy < 0.6


def test_no_question_is_examined_by_a_model_that_saw_it() -> None:
    random = np.random.default_rng(0)
    x_ND, y_N = np.eye(60), (random.random(60) < 0.5).astype(float)  # each question its own feature: only memory helps
    [curve] = learning_curve(x_ND, y_N, ["random"] * 60, sizes=[48])
    assert curve.points[0].accuracy == pytest.approx(np.mean(y_N < 0.5))  # it has learned nothing about any of them


def test_without_enough_to_examine_there_is_no_curve() -> None:
    x_ND, y_N = pool(2, 9)
    assert learning_curve(x_ND, y_N, ["random"] * 9) == []
    assert learning_curve(np.zeros((0, 3)), [], []) == []
    assert learning_curve(*pool(2, 50), ["margin"] * 50) == []
    assert learning_curve(pool(2, 50)[0], np.full(50, 0.5), ["random"] * 50) == []
    with pytest.raises(Problem, match="one for each"):
        learning_curve(x_ND, y_N, ["random"])


def test_the_fit_is_the_optimum_of_the_penalised_likelihood() -> None:
    x_ND, y_N = pool(3, 80)
    y_N[:10] = 0.5

    def loss(w_D: np.ndarray) -> float:
        s_N = x_ND @ w_D
        return float(np.sum(np.logaddexp(0, s_N) - y_N * s_N) + 0.35 * w_D @ w_D)

    expected = minimize(loss, np.zeros(5), tol=1e-10).x
    assert fit_pairs(x_ND, y_N, 0.7) == pytest.approx(expected, abs=1e-4)
    assert np.abs(fit_pairs(1000 * x_ND, (x_ND[:, 0] > 0).astype(float), 1e-3)).max() < np.inf


@pytest.mark.parametrize(("right", "examined"), [(0, 10), (7, 10), (10, 10), (150, 200)])
def test_intervals_are_wilsons(right: int, examined: int) -> None:
    expected = binomtest(right, examined).proportion_ci(method="wilson")
    assert wilson(right, examined) == pytest.approx((expected.low, expected.high))
