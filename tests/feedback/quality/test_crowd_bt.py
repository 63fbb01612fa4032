"""Crowd-BT: its gradient, its errors, and what it finds in a crowd with bad annotators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heedful.feedback.quality import crowd_bt as module
from heedful.feedback.quality.crowd_bt import CrowdBTPrior, crowd_bt, loss
from heedful.feedback.quality.votes import PairVotes, pair_votes
from heedful.seeds import generator


def votes_of(crowd: Any) -> PairVotes:
    return pair_votes(crowd.first_V, crowd.second_V, crowd.annotator_V, crowd.outcome_V, crowd.side_V)


def plain_scores(crowd: Any) -> np.ndarray:
    """Bradley-Terry: everybody as reliable as can be."""
    return crowd_bt(votes_of(crowd), CrowdBTPrior(right=1e6, wrong=1e-3)).score_I


def accuracy(score_I: np.ndarray, crowd: Any) -> float:
    """How many pairs of different items are in the right order."""
    first, second = crowd.first_V[:: len(crowd.pair_V) // len(crowd.difference_N)], crowd.second_V
    second = second[:: len(crowd.pair_V) // len(crowd.difference_N)]
    return float(((score_I[first] > score_I[second]) == (crowd.difference_N > 0)).mean())


def small(seed: int = 0) -> PairVotes:
    random = generator(seed, "small")
    first = random.integers(5, size=60)
    second = (first + random.integers(1, 5, size=60)) % 5
    sides = random.choice([-1, 0, 1], 60)
    return pair_votes(first, second, random.integers(4, size=60), random.choice([0, 0.5, 1], 60), sides)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    votes, prior = small(), CrowdBTPrior(virtual=0.3, right=3.0, wrong=1.5)
    point = generator(1, "point").normal(size=votes.items + votes.annotators)
    _, gradient = loss(point, votes, prior)
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 1e-5
        slope = (loss(point + step, votes, prior)[0] - loss(point - step, votes, prior)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_the_fit_ends_where_the_gradient_does() -> None:
    votes, prior = small(), CrowdBTPrior()
    found = crowd_bt(votes)
    theta_A = np.log(found.reliability_A / (1 - found.reliability_A))
    value, gradient = loss(np.concatenate([found.score_I, theta_A]), votes, prior)
    assert np.abs(gradient).max() < 1e-3
    assert found.log_posterior == pytest.approx(-value)


def test_the_errors_are_those_of_the_whole_information_matrix() -> None:
    """The information matrix by finite differences of the gradient, inverted as a whole."""
    votes, prior = small(), CrowdBTPrior()
    found = crowd_bt(votes)
    point = np.concatenate([found.score_I, np.log(found.reliability_A / (1 - found.reliability_A))])
    information = np.empty((len(point), len(point)))
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 1e-5
        information[i] = (loss(point + step, votes, prior)[1] - loss(point - step, votes, prior)[1]) / 2e-5
    expected = np.sqrt(np.diag(np.linalg.inv(information)))[votes.items :]
    assert found.error_A == pytest.approx(expected, rel=1e-4)


def test_an_always_right_crowd_is_bradley_terry() -> None:
    """Two items, one of which wins 3 of 4: the log-odds are ln 3 when hardly anything is virtual."""
    votes = pair_votes([0] * 4, [1] * 4, [0] * 4, [1, 1, 1, 0])
    found = crowd_bt(votes, CrowdBTPrior(virtual=1e-6, right=1e9, wrong=1e-3))
    assert found.score_I[0] - found.score_I[1] == pytest.approx(np.log(3), rel=1e-3)


def test_swapping_first_and_second_changes_nothing() -> None:
    votes = small()
    turned = pair_votes(votes.second_V, votes.first_V, votes.annotator_V, 1 - votes.outcome_V)
    assert crowd_bt(turned).score_I == pytest.approx(crowd_bt(votes).score_I, abs=1e-4)


def test_thirty_percent_bad_annotators(crowd_of: Callable[..., Any], auc: Callable[..., float]) -> None:
    """Pair accuracy at least 4 points above Bradley-Terry, abilities correlated .9, the bad ones found with AUC .95."""
    gains, correlations, areas = [], [], []
    for seed in range(5):
        crowd = crowd_of(seed, items=80, pairs=600, overlap=3)
        found = crowd_bt(votes_of(crowd))
        gains.append(accuracy(found.score_I, crowd) - accuracy(plain_scores(crowd), crowd))
        correlations.append(np.corrcoef(found.reliability_A, crowd.ability_A)[0, 1])
        areas.append(auc(-found.reliability_A, crowd.bad_A))
    assert np.mean(gains) >= 0.04
    assert np.mean(correlations) >= 0.9
    assert np.mean(areas) >= 0.95


def test_intervals_cover_the_reliability_of_annotators_as_the_model_has_them() -> None:
    covered = []
    for seed in range(12):
        random = generator(seed, "cover")
        score_I, eta_A = random.normal(size=30) * 1.5, random.beta(4, 1, size=12)
        first = random.integers(30, size=1200)
        second = (first + random.integers(1, 30, size=1200)) % 30
        annotator = random.integers(12, size=1200)
        p = 1 / (1 + np.exp(-(score_I[first] - score_I[second])))
        q = eta_A[annotator] * p + (1 - eta_A[annotator]) * (1 - p)
        outcome = (random.random(1200) < q).astype(float)
        low, high = crowd_bt(pair_votes(first, second, annotator, outcome)).interval()
        covered.append(((low < eta_A) & (eta_A < high)).mean())
    assert np.mean(covered) > 0.85


def test_many_items_take_the_scores_as_known(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = small()
    whole = crowd_bt(votes).error_A
    monkeypatch.setattr("heedful.feedback.quality.information.ITEMS_AT_MOST", 1)
    short = module.crowd_bt(votes).error_A
    assert (short <= whole + 1e-12).all()
    assert (short > 0).all()
