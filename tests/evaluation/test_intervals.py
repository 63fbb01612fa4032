"""Quantiles against SciPy, intervals by hand and by simulated coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from heedful.errors import Problem
from heedful.evaluation.clusters import Clustering, clustering_of
from heedful.evaluation.intervals import mean_interval, proportion_interval, quantile_for, student_t_quantile
from heedful.seeds import generator

INDEPENDENT = Clustering("vote", ())


@pytest.mark.parametrize("probability", [0.55, 0.6, 0.9, 0.975, 0.9995])
@pytest.mark.parametrize("degrees", [1, 2, 3.5, 7, 29, 400, 1e6])
def test_student_t_quantile_is_scipys(probability: float, degrees: float) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-7)


def test_the_quantile_of_infinite_degrees_is_the_normal_one() -> None:
    assert quantile_for(0.95, math.inf) == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -1.0])
def test_a_confidence_outside_0_and_1_is_refused(confidence: float) -> None:
    with pytest.raises(Problem, match="between 0 and 1"):
        quantile_for(confidence, 3)


def test_with_equal_clusters_the_mean_has_the_t_interval_of_the_cluster_means() -> None:
    rng = generator(1, "equal clusters")
    values_GM = rng.normal(size=(7, 5)) + rng.normal(size=(7, 1))
    found = mean_interval(values_GM.ravel(), clustering_of(np.repeat(np.arange(7), 5).tolist(), None))
    means_G = values_GM.mean(axis=1)
    expected = stats.t.interval(0.95, 6, means_G.mean(), stats.sem(means_G))
    assert (found.low, found.high) == pytest.approx(expected)


def test_unequal_clusters_give_the_jackknife_by_brute_force() -> None:
    rng = generator(2, "unequal clusters")
    groups = np.repeat([0, 1, 2, 3], [1, 2, 6, 4])
    values = rng.normal(size=13) + 3 * groups
    left_out = np.array([values[groups != g].mean() for g in range(4)])
    variance = 3 / 4 * np.sum((left_out - values.mean()) ** 2)
    found = mean_interval(values, clustering_of(groups.tolist(), None))
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 3) * math.sqrt(variance))


def test_a_single_value_has_no_limits() -> None:
    assert mean_interval([2.0], INDEPENDENT).high == math.inf


def test_a_proportion_of_independent_votes_has_wilsons_interval() -> None:
    # statsmodels' and Wilson's own formula with n = 40, p = 0.3; the sample variance has n - 1 below, so n is 39 here.
    values = np.array([1.0] * 12 + [0.0] * 28)
    found = proportion_interval(values, INDEPENDENT)
    z, n, p = 1.959964, 39, 0.3
    centre = (p + z**2 / 2 / n) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / 4 / n**2) / (1 + z**2 / n)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_equal_values_count_as_that_many_independent_ones(value: float) -> None:
    found = proportion_interval(np.full(20, value), INDEPENDENT)
    expected = stats.binomtest(round(20 * value), 20).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_interval_contains_the_proportion_and_stays_in_0_and_1() -> None:
    rng = generator(3, "bounds")
    for n in range(1, 40):
        values = rng.choice([0.0, 0.5, 1.0], size=n, p=[0.05, 0.05, 0.9])
        found = proportion_interval(
            values, clustering_of(rng.integers(3, size=n).tolist(), rng.integers(5, size=n).tolist())
        )
        assert 0 <= found.low <= found.value <= found.high <= 1
