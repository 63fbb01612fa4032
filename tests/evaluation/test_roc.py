"""The area under the ROC curve: by counting pairs, by SciPy, and its interval by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm
from scipy.stats import t as student

from heedful.errors import Problem
from heedful.evaluation.intervals import wilson_interval
from heedful.evaluation.roc import area_under_roc
from heedful.seeds import generator


def test_it_is_the_share_of_pairs_in_the_right_order() -> None:
    # Positives 3, 1, 1 against negatives 2, 1: right are 3>2, 3>1; half are 1=1 twice; wrong are 1<2 twice.
    assert area_under_roc([3, 1, 1, 2, 1], [1, 1, 1, 0, 0], "abcde").value == pytest.approx(3 / 6)
    random = generator(0, "roc")
    score, positive = random.integers(0, 9, 80), random.random(80) < 0.3
    wanted = mannwhitneyu(score[positive], score[~positive]).statistic / (positive.sum() * (~positive).sum())
    assert area_under_roc(score, positive, range(80)).value == pytest.approx(wanted)


def test_the_interval_covers_the_true_area_as_often_as_it_says() -> None:
    """Two normal distributions 1.2 apart: the true area is Phi(1.2 / sqrt 2)."""
    truth, hits = norm.cdf(1.2 / 2**0.5), 0
    for seed in range(200):
        random = generator(seed, "coverage")
        positive = np.arange(90) < 30
        found = area_under_roc(random.normal(size=90) + 1.2 * positive, positive, range(90))
        hits += found.low <= truth <= found.high
    assert 0.90 <= hits / 200 <= 0.99


def test_what_hangs_together_widens_the_interval() -> None:
    random = generator(1, "clusters")
    positive = np.arange(60) % 3 == 0
    score = random.normal(size=60) + positive
    alone = area_under_roc(score, positive, range(60))
    copied = area_under_roc(np.repeat(score, 4), np.repeat(positive, 4), np.repeat(np.arange(60), 4).tolist())
    naive = area_under_roc(np.repeat(score, 4), np.repeat(positive, 4), range(240))
    assert copied.value == pytest.approx(alone.value)
    assert copied.low == pytest.approx(alone.low, abs=0.01)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)


def test_the_interval_is_that_of_leaving_out_each_cluster_by_hand() -> None:
    random = generator(2, "by hand")
    score, positive, cluster = random.integers(0, 6, 40), random.random(40) < 0.4, random.integers(0, 9, 40)
    areas = []
    for name in range(9):
        up, down = (score[(cluster != name) & kind] for kind in (positive, ~positive))
        areas.append(np.mean([[(a > b) + 0.5 * (a == b) for b in down] for a in up]))
    spread = 8 / 9 * ((np.array(areas) - np.mean(areas)) ** 2).sum()
    found = area_under_roc(score, positive, cluster.tolist())
    size, quantile = found.value * (1 - found.value) / spread, student.ppf(0.975, 8)
    wanted = wilson_interval(found.value, size, quantile)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_perfect_separation_is_not_certainty() -> None:
    found = area_under_roc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], range(6))
    assert found.value == found.high == 1
    assert 0.1 < found.low < 0.8


def test_where_one_cluster_holds_all_there_is_of_a_kind_next_to_nothing_is_known() -> None:
    """Their common part moves the area as it likes, and no other cluster shows how much."""
    random, hits = generator(3, "one cluster"), 0
    positive = np.arange(60) < 20
    cluster = np.where(positive, -1, np.arange(60)).tolist()
    for _ in range(100):
        found = area_under_roc(random.normal(size=60) + random.normal() * positive, positive, cluster)
        hits += found.low <= 0.5 <= found.high
    assert hits >= 95


def test_one_kind_alone_or_a_score_that_is_none_is_refused() -> None:
    with pytest.raises(Problem, match="of one kind"):
        area_under_roc([1, 2], [1, 1], "ab")
    with pytest.raises(Problem, match="entry 1"):
        area_under_roc([1, np.nan], [1, 0], "ab")
