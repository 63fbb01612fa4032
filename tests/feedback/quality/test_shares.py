from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heedful.feedback.quality.shares import difference, share, two_sided


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (3, 10), (10, 10), (499, 1000)])
def test_shares_are_wilson_s(hits: int, count: int) -> None:
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    found = share(hits, count)
    assert (found.value, found.low, found.high) == pytest.approx((hits / count, expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (5, 10), (9, 10), (60, 100)])
def test_the_test_against_a_half_is_the_binomial_one(hits: int, count: int) -> None:
    assert two_sided(hits, count) == pytest.approx(stats.binomtest(hits, count).pvalue)


def test_a_difference_is_welch_s() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(0, 1, 12), random.normal(1, 3, 20)
    expected = stats.ttest_ind(after, before, equal_var=False).confidence_interval()
    value, low, high = difference(before.tolist(), after.tolist())
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert value == pytest.approx(after.mean() - before.mean())
    assert difference([1.0, 1.0], [1.0, 1.0]) == (0, 0, 0)
