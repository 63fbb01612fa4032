from __future__ import annotations

import itertools

import numpy as np
import pytest

from heedful.feedback.selection.d_optimal import GAP, by_d_optimal, design
from heedful.feedback.selection.evidence import Evidence


def information(features: np.ndarray, weights: np.ndarray) -> float:
    return float(np.linalg.slogdet(features.T @ (features * weights[:, None]))[1])


def test_the_design_is_as_good_as_its_certificate_says() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 4)) * [3.0, 1.0, 0.5, 0.1]
    weights, gap = design(features, 10)
    assert weights.sum() == pytest.approx(10)
    assert weights.min() >= 0
    assert weights.max() <= 1 + 1e-9
    assert gap <= GAP * 4
    best = information(features, weights)
    for _ in range(300):  # no other design is better than the gap allows, not one near it either
        other = random.dirichlet(np.full(60, 0.3)) * 10
        mixed = 0.9 * weights + 0.1 * np.minimum(other, 1.0)
        assert information(features, np.minimum(other, 1.0)) <= best + gap
        assert information(features, mixed) <= best + gap


def test_on_a_small_pool_it_is_no_worse_than_the_best_subset() -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(9, 2))
    subsets = itertools.combinations(range(9), 4)
    best = max(information(features[list(subset)], np.ones(4)) for subset in subsets)
    weights, _ = design(features, 4)
    assert information(features, weights) >= best - 0.02


def test_a_direction_that_few_questions_have_is_asked() -> None:
    features = np.zeros((100, 2))
    features[:, 0] = 1.0
    features[7] = [0.0, 1.0]
    found = by_d_optimal(Evidence.of(100, features=features), 10)
    assert found[7] == pytest.approx(1.0, abs=0.01)


def test_everything_or_nothing() -> None:
    features = np.eye(3)
    assert design(features, 0)[0].tolist() == [0.0] * 3
    assert design(features, 3)[0].tolist() == [1.0] * 3
    assert design(np.zeros((5, 2)), 2)[0].sum() == pytest.approx(2)
