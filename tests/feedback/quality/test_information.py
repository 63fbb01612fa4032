"""Standard errors by blocks against the whole matrix inverted at once. The fits test them as well."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.feedback.quality.information import Curvature, annotator_errors, mixture_curvature
from heedful.feedback.quality.votes import pair_votes
from heedful.seeds import generator


def test_the_blocks_are_those_of_the_whole_matrix() -> None:
    random = generator(0, "information")
    items, annotators, count = 4, 3, 50
    first = random.integers(items, size=count)
    second = (first + random.integers(1, items, size=count)) % items
    votes = pair_votes(first, second, random.integers(annotators, size=count), random.choice([0, 1], count))
    slopes = random.normal(size=(count, 3))  # by the difference and two parameters; minus a square is concave
    whole = np.zeros((items + 2 * annotators, items + 2 * annotators))
    for row in range(count):
        design = np.zeros(len(whole))
        design[first[row]], design[second[row]] = slopes[row, 0], -slopes[row, 0]
        start = items + 2 * int(votes.annotator_V[row])
        design[start : start + 2] = slopes[row, 1:]
        whole += np.outer(design, design)
    prior_I, prior_AK = np.full(items, 0.7), np.full((annotators, 2), 0.4)
    whole += np.diag([*prior_I, *prior_AK.ravel()])
    curvature = Curvature(
        -(slopes[:, 0] ** 2),
        -slopes[:, :1] * slopes[:, 1:],
        -slopes[:, 1:, None] * slopes[:, None, 1:],
        prior_I,
        prior_AK,
    )
    expected = np.sqrt(np.diag(np.linalg.inv(whole)))[items:].reshape(annotators, 2)
    assert annotator_errors(votes, curvature) == pytest.approx(expected)


def test_the_curvature_of_a_mixture_by_finite_differences() -> None:
    """q = e p(d) with p = sigma(d) and e = sigma(t): second derivatives of y log q + (1 - y) log(1 - q) by d and t."""
    d, t, y = 0.4, -0.3, 0.5

    def value(d: float, t: float) -> float:
        q = 1 / (1 + np.exp(-d)) / (1 + np.exp(-t))
        return float(y * np.log(q) + (1 - y) * np.log(1 - q))

    p, e = 1 / (1 + np.exp(-d)), 1 / (1 + np.exp(-t))
    p1, e1 = p * (1 - p), e * (1 - e)
    slopes = np.array([[e * p1, p * e1]])
    bends = np.array([[[e * p1 * (1 - 2 * p), e1 * p1], [e1 * p1, p * e1 * (1 - 2 * e)]]])
    dd, dk, kk = mixture_curvature(np.array([y]), np.array([p * e]), slopes, bends)
    h = 1e-4
    expected_dd = (value(d + h, t) - 2 * value(d, t) + value(d - h, t)) / h**2
    expected_kk = (value(d, t + h) - 2 * value(d, t) + value(d, t - h)) / h**2
    corners = value(d + h, t + h) - value(d + h, t - h) - value(d - h, t + h) + value(d - h, t - h)
    assert dd[0] == pytest.approx(expected_dd, rel=1e-5)
    assert kk[0, 0, 0] == pytest.approx(expected_kk, rel=1e-5)
    assert dk[0, 0] == pytest.approx(corners / (4 * h**2), rel=1e-5)
