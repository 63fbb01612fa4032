"""Pairs that are each compared once: aggregation, abilities, side bias, ties, gold items, intervals, prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.quality.item_response import ItemResponse, item_response, pair_verdict
from heedful.feedback.quality.population import Population
from heedful.feedback.quality.responses import A_S, accuracy
from heedful.seeds import generator


def fit_of(crowd: Any, **settings: Any) -> ItemResponse:
    return item_response(crowd.pair_V, crowd.annotator_V, crowd.outcome_V, crowd.side_V, **settings)


def majority(crowd: Any) -> float:
    """Pair accuracy of counting votes; an even count is a coin toss."""
    for_first = np.bincount(crowd.pair_V, crowd.outcome_V - 0.5)
    right = np.sign(for_first) == np.sign(crowd.difference_N)
    return float(np.where(for_first == 0, 0.5, right).mean())


def right(found: ItemResponse, crowd: Any) -> float:
    return float(((found.target_N > 0.5) == (crowd.difference_N > 0)).mean())


@pytest.mark.parametrize("ties", [0.0, 0.4])
def test_thirty_percent_bad_annotators(crowd_of: Callable[..., Any], auc: Callable[..., float], ties: float) -> None:
    """At least 4 points above the majority; abilities correlated .9; the bad ones found with AUC .95."""
    gains, correlations, areas = [], [], []
    for seed in range(5):
        crowd = crowd_of(seed, ties=ties)
        found = fit_of(crowd)
        gains.append(right(found, crowd) - majority(crowd))
        correlations.append(np.corrcoef(found.accuracy_A, crowd.ability_A)[0, 1])
        areas.append(auc(-found.accuracy_A, crowd.bad_A))
    assert np.mean(gains) >= 0.04
    assert np.mean(correlations) >= 0.9
    assert np.mean(areas) >= 0.95


def test_whoever_always_goes_left_is_biased_and_below_everybody_honest(crowd_of: Callable[..., Any]) -> None:
    for seed in range(3):
        crowd = crowd_of(seed)
        found = fit_of(crowd)
        faults = np.array(crowd.faults_A)
        assert found.accuracy_A[faults == "left"].max() < found.accuracy_A[faults == "good"].min()
        assert found.parameters_AK[faults == "left", 1].min() > 1
        assert np.abs(found.parameters_AK[faults == "good", 1]).mean() < 0.3
        assert found.accuracy_A[faults == "adverse"].max() < 0.5


def test_probabilities_are_calibrated(crowd_of: Callable[..., Any]) -> None:
    """Among pairs that are called 70 to 90 % sure, about 80 % are right."""
    sure, hit = [], []
    for seed in range(6):
        crowd = crowd_of(seed, overlap=3)
        p = fit_of(crowd).target_N
        sure += np.maximum(p, 1 - p).tolist()
        hit += ((p > 0.5) == (crowd.difference_N > 0)).tolist()
    bins = np.digitize(sure, [0.6, 0.7, 0.8, 0.9, 0.97])
    for i in range(6):
        chosen = bins == i
        assert np.mean(np.array(hit)[chosen]) == pytest.approx(np.mean(np.array(sure)[chosen]), abs=0.05)


def test_intervals_cover_the_skill_of_annotators_as_the_model_has_them() -> None:
    covered = []
    for seed in range(10):
        random = generator(seed, "cover")
        skill_A, difference_N = random.normal(2, 1, size=20), random.normal(size=400)
        pair_V = np.repeat(np.arange(400), 4)
        annotator_V = np.concatenate([random.permutation(20)[:4] for _ in range(400)])
        p_V = 1 / (1 + np.exp(-skill_A[annotator_V] * difference_N[pair_V]))
        low, high = item_response(pair_V, annotator_V, (random.random(1600) < p_V).astype(float)).accuracy_interval()
        covered.append(((low < accuracy(skill_A)) & (accuracy(skill_A) < high)).mean())
    assert np.mean(covered) > 0.88


def test_every_step_climbs_while_the_population_stays(crowd_of: Callable[..., Any]) -> None:
    found = fit_of(crowd_of(0, pairs=200, ties=0.3), learn_population=False, tolerance=1e-5)
    assert len(found.log_posterior) > 5
    assert (np.diff(found.log_posterior) >= -1e-8).all()


def test_swapping_a_and_b_changes_nothing(crowd_of: Callable[..., Any]) -> None:
    crowd = crowd_of(1, pairs=100, ties=0.3)
    found = fit_of(crowd)
    turned = item_response(crowd.pair_V, crowd.annotator_V, 1 - crowd.outcome_V, -crowd.side_V)
    assert turned.target_N == pytest.approx(1 - found.target_N, abs=1e-6)
    assert turned.parameters_AK == pytest.approx(found.parameters_AK, abs=1e-6)


def test_gold_pairs_are_as_known_and_teach_who_is_right() -> None:
    """Two of three people answer the opposite; only the gold pairs can tell."""
    random = generator(0, "gold")
    difference_N = random.normal(size=300) * 2
    p_V = 1 / (1 + np.exp(-np.repeat(difference_N, 3) * np.tile([3, -3, -3], 300)))
    outcome_V = (random.random(900) < p_V).astype(float)
    pair_V, annotator_V = np.repeat(np.arange(300), 3), np.tile([0, 1, 2], 300)
    known = {i: float(difference_N[i] > 0) for i in range(150)}
    told = item_response(pair_V, annotator_V, outcome_V, known=known)
    assert told.target_N[:150] == pytest.approx((difference_N[:150] > 0).astype(float))
    assert ((told.target_N > 0.5) == (difference_N > 0))[150:].mean() > 0.85
    assert told.accuracy_A[0] > 0.8 > 0.3 > told.accuracy_A[1]


def test_one_pair_alone_is_weighed_as_in_the_fit(crowd_of: Callable[..., Any]) -> None:
    crowd = crowd_of(2, pairs=100, ties=0.3)
    found = fit_of(crowd)
    rows = crowd.pair_V == 17
    parameters = found.parameters_AK[crowd.annotator_V[rows]]
    alone = pair_verdict(crowd.outcome_V[rows], crowd.side_V[rows], parameters, found.population.alike)
    assert alone == pytest.approx(found.verdict_NC[17], abs=1e-9)
    assert pair_verdict([], [], [], 0.2) == pytest.approx([0.4, 0.2, 0.4])


def lead(outcomes: list[float], sides: list[float], readers: list[list[float]]) -> float:
    """P(a) less P(b)."""
    a, _, b = pair_verdict(outcomes, sides, readers, 0.1)
    return float(a - b)


def test_a_biased_vote_counts_less_and_a_tie_draws_to_the_middle() -> None:
    fair, leaning = [2.0, 0.0, 0.4, 0.7], [2.0, 2.0, 0.4, 0.7]
    assert lead([1], [1], [leaning]) < lead([1], [1], [fair])
    assert lead([1], [-1], [leaning]) > lead([1], [1], [leaning])
    assert lead([1, 0.5], [0, 0], [fair, fair]) < lead([1], [0], [fair])
    assert lead([0.5], [0], [fair]) == pytest.approx(0)
    assert lead([1], [0], [[0.0, 0.0, 0.0, 0.7]]) == pytest.approx(0)


def test_ties_make_a_pair_alike_and_a_split_does_not() -> None:
    fair = [2.0, 0.0, 0.4, 0.7]
    tied = pair_verdict([0.5] * 4, [0] * 4, [fair] * 4, 0.1)
    split = pair_verdict([1, 0, 1, 0], [0] * 4, [fair] * 4, 0.1)
    assert tied[1] > 0.7
    assert split[1] < 0.1


def test_pairs_that_are_alike_are_told_from_pairs_that_divide_people() -> None:
    """A third of the pairs are alike and called a tie by four in five; on the others nobody says tie."""
    found_alike, alike_pairs = [], []
    for seed in range(3):
        random = generator(seed, "alike")
        alike_N = random.random(400) < 1 / 3
        difference_N = np.where(alike_N, 0, 0.5 * random.normal(size=400))
        pair_V, annotator_V = np.repeat(np.arange(400), 4), np.tile(np.arange(4), 400)
        first_V = random.random(1600) < 1 / (1 + np.exp(-2 * difference_N[pair_V]))
        tie_V = alike_N[pair_V] & (random.random(1600) < 0.8)
        found = item_response(pair_V, annotator_V, np.where(tie_V, 0.5, first_V))
        found_alike.append(found.population.alike)
        alike_pairs.append(((found.verdict_NC[:, 1] > 0.5) == alike_N).mean())
        assert found.parameters_AK[:, 3] == pytest.approx(np.full(4, 0.8), abs=0.08)
    assert np.mean(found_alike) == pytest.approx(1 / 3, abs=0.05)
    assert np.mean(alike_pairs) > 0.97


def test_predictions_are_probabilities_that_come_true() -> None:
    """A third of the votes predicted from the others: the shares of a, tie and b agree with the forecast."""
    random = generator(4, "predict")
    difference_N = random.normal(size=600)
    pair_V, annotator_V = np.repeat(np.arange(600), 6), np.tile(np.arange(6), 600)
    eta_V = 2 * difference_N[pair_V]
    a_V, b_V = 1 / (1 + np.exp(0.6 - eta_V)), 1 / (1 + np.exp(0.6 + eta_V))
    u_V = random.random(3600)
    outcome_V = np.where(u_V < a_V, 1.0, np.where(u_V < a_V + b_V, 0.0, 0.5))
    seen = random.random(3600) < 0.65
    found = item_response(pair_V[seen], annotator_V[seen], outcome_V[seen], pairs=600)
    forecast = found.predict(pair_V[~seen], annotator_V[~seen], np.zeros((~seen).sum()))
    assert forecast.sum(axis=1) == pytest.approx(1)
    truth = np.stack([outcome_V[~seen] == value for value in (1.0, 0.5, 0.0)], axis=1)
    assert forecast.mean(axis=0) == pytest.approx(truth.mean(axis=0), abs=0.04)
    confident = forecast[:, 0] > 0.7
    assert truth[confident, 0].mean() == pytest.approx(forecast[confident, 0].mean(), abs=0.06)


def test_pairs_and_people_without_votes_are_as_the_population_is() -> None:
    found = item_response([0], [0], [1], pairs=3, annotators=2, learn_population=False)
    assert found.target_N[2] == pytest.approx(0.5)
    assert found.parameters_AK[1, 0] == pytest.approx(Population().skill)
    assert found.posterior_NS.shape == (3, len(A_S))


def test_one_unanimous_pair_does_not_run_away() -> None:
    found = item_response(np.zeros(6, dtype=int), np.arange(6), np.ones(6))
    assert np.isfinite(found.parameters_AK).all()
    assert 0.9 < found.target_N[0] < 1


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(Problem, match="no votes"):
        item_response([], [], [])
    with pytest.raises(Problem, match="outcome"):
        item_response([0], [0], [2])
    with pytest.raises(Problem, match="length"):
        item_response([0, 0], [0], [1])
