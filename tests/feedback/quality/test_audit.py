"""The audit of labels: planted flips found by models that never saw the pair, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from heedful.errors import Problem
from heedful.feedback.quality.audit import (
    CrossFit,
    adaptive_margins,
    cross_fit,
    flipped,
    smoothed,
    suspicious_labels,
)
from heedful.seeds import generator

Floats = NDArray[np.float64]


def planted(seed: int, pairs: int = 1200, features: int = 12) -> tuple[Floats, NDArray[np.bool_]]:
    """(Features of the labelled better less those of the other, which of the labels are flipped): a fifth are."""
    random = generator(seed, "planted")
    better_NF = random.normal(size=(pairs, features))
    better_NF *= np.sign(better_NF @ random.normal(size=features))[:, None]
    flipped_N = random.random(pairs) < 0.2
    return np.where(flipped_N[:, None], -better_NF, better_NF), flipped_N


def differences(labelled_NF: Floats, plan: CrossFit) -> Floats:
    """Small reward models: logistic regressions on each model's own bootstrap sample, (E, N)."""

    def loss(w: Floats, weight_N: Floats) -> tuple[float, Floats]:
        z = labelled_NF @ w
        value = float((weight_N * np.logaddexp(0, -z)).sum() + 0.5 * w @ w)
        return value, -(weight_N / (1 + np.exp(z))) @ labelled_NF + w

    start = np.zeros(labelled_NF.shape[1])
    fits = [minimize(loss, start, args=(weight_N,), jac=True, method="L-BFGS-B") for weight_N in plan.weight_EN]
    return np.stack([labelled_NF @ found.x for found in fits])


def test_a_fifth_of_planted_flips_is_found(auc: Callable[..., float]) -> None:
    """AUC at least .9 with ten small models; no pair is judged by a model trained on it."""
    areas, exact = [], []
    for seed in range(4):
        labelled_NF, flipped_N = planted(seed)
        plan = cross_fit(range(len(labelled_NF)), models=10, seed=seed)
        found = suspicious_labels(differences(labelled_NF, plan), plan.judges_mask_EN)
        areas.append(auc(-found.strength_N, flipped_N))
        mended_N = flipped(np.ones(len(flipped_N)), found.strength_N)
        exact.append(float(((mended_N == 0) == flipped_N).mean()))
    assert np.mean(areas) >= 0.9
    assert np.mean(exact) > 0.9  # 0.8 without doing anything


def test_a_model_judges_only_what_it_was_not_trained_on() -> None:
    groups = [f"prompt {i // 3}" for i in range(300)]
    plan = cross_fit(groups, models=6, seed=1)
    assert not ((plan.weight_EN > 0) & plan.judges_mask_EN).any()
    assert (plan.judges_mask_EN.sum(axis=0) == 3).all()
    assert plan.weight_EN.sum(axis=1).tolist() == (~plan.judges_mask_EN).sum(axis=1).tolist()
    for e in range(6):
        by_prompt = plan.judges_mask_EN[e].reshape(100, 3)
        assert (by_prompt == by_prompt[:, :1]).all()
    assert (plan.judges_mask_EN[0] != plan.judges_mask_EN[1]).all()
    again = cross_fit(groups, models=6, seed=1)
    assert (again.weight_EN == plan.weight_EN).all()


def test_strength_spread_and_order_by_hand() -> None:
    difference_EN = np.array([[1.0, -2.0, 0.5], [3.0, -4.0, 99.0]])
    found = suspicious_labels(difference_EN, [[True, True, True], [True, True, False]])
    assert found.strength_N == pytest.approx([2, -3, 0.5])
    assert found.spread_N[:2] == pytest.approx(np.sqrt([2, 2]))
    assert np.isnan(found.spread_N[2])
    assert found.against_N == pytest.approx([0, 1, 0])
    assert found.order_N.tolist() == [1, 2, 0]
    assert suspicious_labels(difference_EN).strength_N[2] == pytest.approx(49.75)


def test_corrections_by_hand() -> None:
    target, strength = np.array([1.0, 0.9, 0.0, 1.0, 0.2]), np.array([-2.0, 0.1, -0.5, 3.0, 1.0])
    assert flipped(target, strength, 0.2) == pytest.approx([0, 0.9, 0, 1, 0.2])
    assert flipped(target, strength, 0.6) == pytest.approx([0, 0.9, 1, 1, 0.2])  # 0.1 is above 0
    assert smoothed(target, strength, 0.4, 0.5) == pytest.approx([0.75, 0.9, 0.25, 1, 0.2])
    assert adaptive_margins(strength, 0.5) == pytest.approx([0, 0.05, 0, 1.5, 0.5])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(Problem, match="even number"):
        cross_fit([1, 2, 3], models=3)
    with pytest.raises(Problem, match="belong together"):
        cross_fit(["p", "p"])
    with pytest.raises(Problem, match="no model may judge"):
        suspicious_labels([[1.0, 2.0]], [[True, False]])
    with pytest.raises(Problem, match="one shape"):
        suspicious_labels([1.0, 2.0])
    with pytest.raises(Problem, match="not a number"):
        suspicious_labels([[np.nan]])
    with pytest.raises(Problem, match="share"):
        flipped([1.0], [1.0], 2)
