"""Noisy Bradley-Terry: its gradient, its errors, and that whoever always goes left comes out below honest people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heedful.feedback.quality.crowd_bt import CrowdBTPrior, crowd_bt
from heedful.feedback.quality.noisy_bt import NoisyBTPrior, loss, noisy_bt
from heedful.feedback.quality.votes import PairVotes, pair_votes
from heedful.seeds import generator


def votes_of(crowd: Any) -> PairVotes:
    return pair_votes(crowd.first_V, crowd.second_V, crowd.annotator_V, crowd.outcome_V, crowd.side_V)


def small(seed: int = 0) -> PairVotes:
    random = generator(seed, "small")
    first = random.integers(5, size=80)
    second = (first + random.integers(1, 5, size=80)) % 5
    sides = random.choice([-1, 0, 1], 80)
    return pair_votes(first, second, random.integers(4, size=80), random.choice([0, 0.5, 1], 80), sides)


def slopes(point: np.ndarray, votes: PairVotes, prior: NoisyBTPrior) -> np.ndarray:
    found = np.empty(len(point))
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 1e-5
        found[i] = (loss(point + step, votes, prior)[0] - loss(point - step, votes, prior)[0]) / 2e-5
    return found


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    votes, prior = small(), NoisyBTPrior(virtual=0.3, skill=0.5, skill_spread=1.2, side_spread=1.7)
    for seed in range(3):
        point = 1.5 * generator(seed, "point").normal(size=votes.items + 2 * votes.annotators)
        assert loss(point, votes, prior)[1] == pytest.approx(slopes(point, votes, prior), rel=1e-6, abs=1e-7)


def test_the_loss_is_the_formula() -> None:
    """One vote for the item shown second, s = (0.3, -0.2), gamma = 1, q = 0.7; no regularisation to speak of."""
    votes = pair_votes([0], [1], [0], [0.0], [1.0])
    prior = NoisyBTPrior(virtual=0.0, skill=1.0, skill_spread=1e6, side_spread=1e6)
    e = 1 / (1 + np.exp(-1))
    p = e / (1 + np.exp(0.5)) + (1 - e) / (1 + np.exp(0.7))
    assert loss(np.array([0.3, -0.2, 1.0, 0.7]), votes, prior)[0] == pytest.approx(-np.log(p))


def test_whoever_always_goes_left_comes_out_below_every_honest_annotator(crowd_of: Callable[..., Any]) -> None:
    for seed in range(5):
        crowd = crowd_of(seed, items=60, pairs=600, overlap=4)
        found = noisy_bt(votes_of(crowd))
        left = [i for i, fault in enumerate(crowd.faults_A) if fault == "left"]
        good = [i for i, fault in enumerate(crowd.faults_A) if fault == "good"]
        assert found.skill_A[left].max() < found.skill_A[good].min()
        assert found.side_A[left].min() > 1.5
        assert abs(float(np.mean(found.side_A[good]))) < 0.5


def test_thirty_percent_bad_annotators(crowd_of: Callable[..., Any], auc: Callable[..., float]) -> None:
    gains, correlations, areas = [], [], []
    for seed in range(5):
        crowd = crowd_of(seed, items=80, pairs=600, overlap=3)
        votes = votes_of(crowd)
        plain = crowd_bt(votes, CrowdBTPrior(right=1e6, wrong=1e-3))
        found = noisy_bt(votes)
        ends, truth = (crowd.first_V[::3], crowd.second_V[::3]), crowd.difference_N > 0
        right = [float(((s[ends[0]] > s[ends[1]]) == truth).mean()) for s in (found.score_I, plain.score_I)]
        gains.append(right[0] - right[1])
        share_A = 1 / (1 + np.exp(-found.skill_A))
        correlations.append(np.corrcoef(share_A, crowd.ability_A)[0, 1])
        areas.append(auc(-share_A, crowd.bad_A))
    assert np.mean(gains) >= 0.035  # it cannot turn round those who answer the opposite; Crowd-BT does
    assert np.mean(correlations) >= 0.9
    assert np.mean(areas) >= 0.95


def test_the_errors_are_those_of_the_whole_information_matrix() -> None:
    votes, prior = small(3), NoisyBTPrior()
    found = noisy_bt(votes)
    point = np.concatenate([found.score_I, found.skill_A, found.side_A])
    assert np.abs(loss(point, votes, prior)[1]).max() < 1e-3
    information = np.empty((len(point), len(point)))
    for i in range(len(point)):
        step = np.zeros(len(point))
        step[i] = 1e-5
        information[i] = (loss(point + step, votes, prior)[1] - loss(point - step, votes, prior)[1]) / 2e-5
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    assert found.skill_error_A == pytest.approx(expected[5:9], rel=1e-3)
    assert found.side_error_A == pytest.approx(expected[9:], rel=1e-3)


def test_intervals_contain_the_estimate_and_narrow_with_votes(crowd_of: Callable[..., Any]) -> None:
    few, many = (noisy_bt(votes_of(crowd_of(0, items=60, pairs=pairs))) for pairs in (200, 1600))
    low, high = many.interval()
    share = 1 / (1 + np.exp(-many.skill_A))
    assert ((low < share) & (share < high)).all()
    assert np.median(many.skill_error_A) < np.median(few.skill_error_A)


def test_without_sides_it_still_fits() -> None:
    votes = small()
    blind = pair_votes(votes.first_V, votes.second_V, votes.annotator_V, votes.outcome_V)
    found = noisy_bt(blind)
    assert np.isfinite(found.score_I).all()
    assert found.side_A == pytest.approx(np.zeros(4), abs=1e-5)
