from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.evaluation.best_of import best_of_curve, choose, expected_best, kl_nats
from heedful.seeds import generator


def test_the_best_come_first_and_the_earlier_of_equals() -> None:
    assert choose("abcd", [1.0, 3.0, 2.0, 3.0], 3) == ["b", "d", "c"]
    assert choose("ab", [0.0, 0.0]) == ["a"]
    assert choose("", [], 0) == []


@pytest.mark.parametrize(("scores", "n"), [([1.0], 1), ([1.0, 2.0], 3), ([1.0, math.nan], 1), ([1.0, 2.0], -1)])
def test_what_cannot_be_chosen_is_a_problem(scores: list[float], n: int) -> None:
    with pytest.raises(Problem):
        choose("ab", scores, n)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_estimate_is_the_mean_over_all_sets_of_n(n: int) -> None:
    """Brute force, ties among the scores included (chosen among by lot)."""
    scores = [0.5, -1.0, 2.0, 0.5, 0.5, 3.0, -1.0]
    values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    best = []
    for chosen in itertools.combinations(range(7), n):
        top = max(scores[i] for i in chosen)
        best.append(np.mean([values[i] for i in chosen if scores[i] == top]))
    assert expected_best(scores, n, values) == pytest.approx(np.mean(best))
    highest = [max(scores[i] for i in chosen) for chosen in itertools.combinations(range(7), n)]
    assert expected_best(scores, n) == pytest.approx(np.mean(highest))


def test_the_estimate_is_unbiased_and_three_times_as_sharp_as_one_draw() -> None:
    """N(0, 1) scores, N = 64, n = 8: E[max] = 1.42; standard deviations .195 against .60 of the first 8 alone."""
    draws = generator(0, "scores").standard_normal((2000, 64))
    estimates = np.array([expected_best(row, 8) for row in draws])
    naive = draws[:, :8].max(1)
    pooled = generator(1, "scores").standard_normal((400_000, 8)).max(1)
    error = math.hypot(estimates.std() / math.sqrt(2000), pooled.std() / math.sqrt(400_000))
    assert abs(estimates.mean() - pooled.mean()) < error
    assert naive.std() > 3 * estimates.std()


def test_many_draws_neither_overflow_nor_lose_weight() -> None:
    assert expected_best(np.ones(20_000), 4096) == pytest.approx(1)
    assert expected_best(np.arange(20_000), 20_000) == pytest.approx(19_999)
    assert expected_best(np.arange(20_000), 1) == pytest.approx(9999.5)


@pytest.mark.parametrize("n", [2, 4, 16, 64])
def test_the_kl_is_that_of_the_sampled_distribution(n: int) -> None:
    """The best of n has density n F^(n-1): log n + (n - 1) log U at the best uniform number, on average."""
    best = generator(0, "best", n).random((200_000, 1))[:, 0] ** (1 / n)
    measured = float((math.log(n) + (n - 1) * np.log(best)).mean())
    assert kl_nats(n) == pytest.approx(measured, rel=0.01)
    assert kl_nats(1) == 0


def test_with_equal_scores_the_kl_is_an_upper_bound() -> None:
    """Scores 0 and 1 with probability 1/2 each: the best of 4 is 1 with probability 15/16."""
    exact = 15 / 16 * math.log(15 / 8) + 1 / 16 * math.log(1 / 8)
    assert exact < kl_nats(4)


def test_a_curve_over_prompts_with_intervals() -> None:
    curve = best_of_curve([[0.0, 1, 2], [2.0, 2, 5]], [1, 3], ["p", "q"])
    assert curve[1].value == pytest.approx((1 + 3) / 2)
    assert curve[3].value == pytest.approx((2 + 5) / 2)
    assert curve[3].low < 3.5 < curve[3].high
    true = best_of_curve([[0.0, 1, 2], [2.0, 2, 5]], [3], ["p", "q"], [[9.0, 0, 1], [0.0, 0, 3]])
    assert true[3].value == pytest.approx(2)


def test_sizes_that_cannot_be_estimated_are_problems() -> None:
    for n in (0, 4):
        with pytest.raises(Problem, match="cannot be estimated"):
            expected_best([1.0, 2.0, 3.0], n)
    with pytest.raises(Problem, match="best of 0"):
        kl_nats(0)
