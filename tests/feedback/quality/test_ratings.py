"""Z-scored ratings: raters who use the scale differently, and how sure a mean is."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.quality.ratings import ratings, surety, without_own
from heedful.seeds import generator

Rated = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def rated(seed: int, overlap: int = 2) -> Rated:
    """(item, rater, value, quality): 300 texts, 15 raters with centres of their own and different widths."""
    random = generator(seed, "rated")
    quality_N = random.normal(size=300)
    item_V = np.repeat(np.arange(300), overlap)
    rater_V = np.concatenate([random.permutation(15)[:overlap] for _ in range(300)])
    centre_A, width_A = random.normal(3, 1, size=15), random.uniform(0.3, 1.5, size=15)
    seen_V = quality_N[item_V] + 0.4 * random.normal(size=len(item_V))
    return item_V, rater_V, centre_A[rater_V] + width_A[rater_V] * seen_V, quality_N


def ordered(mean_N: np.ndarray, quality_N: np.ndarray) -> float:
    """The share of neighbouring pairs of texts that are in the right order."""
    return float(((mean_N[:-1] > mean_N[1:]) == (quality_N[:-1] > quality_N[1:])).mean())


def test_z_scores_order_texts_better_than_raw_means() -> None:
    """Raw at about 84 %, z-scored at 88 % or more."""
    raw, scored = [], []
    for seed in range(5):
        item_V, rater_V, value_V, quality_N = rated(seed)
        raw.append(ordered(np.bincount(item_V, value_V) / np.bincount(item_V), quality_N))
        scored.append(ordered(ratings(item_V, rater_V, value_V).mean_N, quality_N))
    assert np.mean(raw) < 0.85
    assert np.mean(scored) >= 0.88


def test_each_rater_has_mean_0_and_spread_1_but_for_the_pull_to_everybody() -> None:
    item_V, rater_V, value_V, _ = rated(0, overlap=10)
    found = ratings(item_V, rater_V, value_V)
    for a in range(15):
        assert found.z_V[rater_V == a].mean() == pytest.approx(0, abs=0.1)
        assert found.z_V[rater_V == a].std() == pytest.approx(1, abs=0.1)


def test_a_rater_with_one_rating_is_hardly_changed() -> None:
    value_V = np.array([1.0, 2, 3, 4, 5, 5])
    found = ratings(np.arange(6), [0, 0, 0, 0, 0, 1], value_V)
    mean, spread = value_V.mean(), value_V.std()
    centre = (5 + 4 * mean) / 5
    width = np.sqrt(((5 - centre) ** 2 + 4 * spread**2) / 5)
    assert found.z_V[5] == pytest.approx((5 - centre) / width)


def test_intervals_cover_and_narrow() -> None:
    item_V, rater_V, value_V, quality_N = rated(1, overlap=6)
    found = ratings(item_V, rater_V, value_V)
    mean, low, high = found.on_scale()
    assert ((low < mean) & (mean < high)).all()
    # The mean of z-scores follows quality up to a scale close to the noise-free share of the spread.
    scale = np.polyfit(quality_N, found.mean_N, 1)
    expected = found.mean + found.spread * np.polyval(scale, quality_N)
    assert ((low < expected) & (expected < high)).mean() > 0.9
    wider = ratings(*rated(1, overlap=2)[:3])
    assert wider.error_N.mean() > 1.4 * found.error_N.mean()
    assert (found.sure_N > wider.sure_N).mean() > 0.9


def test_an_item_without_ratings_is_unknown() -> None:
    found = ratings([0, 0], [0, 1], [3, 4], items=2, raters=2)
    assert np.isnan(found.mean_N[1])
    assert found.sure_N[1] == 0


def test_surety_is_the_normal_probability_of_being_close() -> None:
    assert surety(0.5) == pytest.approx(0.6827, abs=1e-4)
    assert surety(np.inf) == 0


def test_others_means_leave_the_own_rating_out() -> None:
    mean_V, count_V = without_own(np.array([0, 0, 0, 1]), np.array([1.0, 2, 6, 9]))
    assert mean_V[:3] == pytest.approx([4, 3.5, 1.5])
    assert count_V.tolist() == [2, 2, 2, 0]


def test_one_constant_rating_and_none() -> None:
    assert np.isfinite(ratings([0, 1], [0, 0], [3, 3]).z_V).all()
    with pytest.raises(Problem, match="no votes"):
        ratings([], [], [])
