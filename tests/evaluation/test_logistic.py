"""The logistic fit against SciPy's optimiser and against counting."""

import math

import numpy as np
import pytest
from scipy import optimize

from heedful.evaluation.clusters import Clustering
from heedful.evaluation.logistic import fit_logistic, log_likelihood, sigmoid
from heedful.seeds import generator

INDEPENDENT = Clustering("vote", ())


def test_the_fit_is_the_maximum_that_scipy_finds() -> None:
    rng = generator(0, "fit")
    X, y, w = (
        rng.normal(size=(80, 3)),
        rng.choice([0, 0.5, 1, 0.25], size=80),
        rng.integers(1, 4, size=80).astype(float),
    )
    centre, precision = np.array([0.0, 1.0, -1.0]), np.array([0.0, 0.5, 2.0])

    def loss(beta: np.ndarray) -> float:
        p = 1 / (1 + np.exp(-X @ beta))
        return float(
            -np.sum(w * (y * np.log(p) + (1 - y) * np.log(1 - p))) + np.sum(precision * (beta - centre) ** 2) / 2
        )

    expected = optimize.minimize(loss, np.zeros(3), tol=1e-12).x
    found = fit_logistic(X, y, INDEPENDENT, weights_N=w, centre_K=centre, precision_K=precision)
    np.testing.assert_allclose(found.coefficients_K, expected, atol=1e-5)


def test_a_constant_alone_is_the_log_odds_of_the_share() -> None:
    found = fit_logistic(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), INDEPENDENT)
    assert found.coefficients_K[0] == pytest.approx(math.log(3))
    # Model: 1 / (n p (1 - p)) = 1 / 0.75; robust: sum r^2 / (n p (1 - p))^2 * 4 / 3 is the same number times 4 / 3.
    assert found.covariances.variance(np.ones(1)) == pytest.approx(4 / 3 / 0.75)


def test_a_row_of_weight_3_is_three_rows() -> None:
    X, y = np.array([[1.0, 0.2], [1.0, -1.0], [1.0, 0.7]]), np.array([1.0, 0.5, 0.0])
    pooled = fit_logistic(X, y, INDEPENDENT, weights_N=np.array([3.0, 1.0, 1.0]))
    single = fit_logistic(X[[0, 0, 0, 1, 2]], y[[0, 0, 0, 1, 2]], INDEPENDENT)
    np.testing.assert_allclose(pooled.coefficients_K, single.coefficients_K)


def test_virtual_rows_move_the_fit_but_are_no_evidence() -> None:
    """9 wins and a virtual tie: (9 + 1/2) / 10."""
    found = fit_logistic(
        np.ones((9, 1)), np.ones(9), INDEPENDENT, virtual_rows=(np.ones((1, 1)), np.array([0.5]), np.array([1.0]))
    )
    assert found.coefficients_K[0] == pytest.approx(math.log(0.95 / 0.05))
    assert found.covariances.variance(np.ones(1)) == pytest.approx(1 / (10 * 0.95 * 0.05))


def test_sigmoid_and_likelihood_do_not_overflow() -> None:
    assert sigmoid([-1e4, 0, 1e4]).tolist() == [0, 0.5, 1]
    assert log_likelihood(np.array([-1000.0]), np.array([1.0]), np.array([2.0])) == pytest.approx(-2000)
