"""Ratings of raters who use a scale differently: z-scores by rater, their mean by question, and how far to trust it.

One rater's 4 is another's 2. Each rater's numbers are therefore centred on their own mean and divided by their own
standard deviation, both pulled towards everybody's by `WEIGHT` pseudo-ratings, so that a rater with three ratings is
hardly changed. This takes the questions that different raters saw to be alike on average, as random assignment makes
them. The mean of a question is then as sure as the spread of z-scores within questions says, pooled over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, stdtrit

from heedful.feedback.quality.votes import Codes, Floats, check_lengths, codes

WEIGHT = 4.0
"""Pseudo-ratings by which a rater's mean and spread are pulled towards everybody's."""

USUAL_NOISE = 0.7
"""Spread of z-scores within a question before anything is known, counted like `WEIGHT` degrees of freedom."""

CLOSE = 0.5
"""A mean is called sure when it lies within so many standard deviations of the truth."""


@dataclass(frozen=True)
class Ratings:
    """What was found; everything in z-scores but `mean`, `spread` and what `on_scale` gives."""

    z_V: Floats
    """Each rating on its rater's own scale."""
    mean_N: Floats
    """By question; NaN where nobody rated it."""
    error_N: Floats
    """Standard error of `mean_N`."""
    noise: float
    """Standard deviation of z-scores within questions."""
    degrees: float
    """Degrees of freedom of `noise`."""
    mean: float
    """Of all ratings, in units of the scale."""
    spread: float
    """Standard deviation of all ratings, in units of the scale."""

    def on_scale(self, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
        """The mean of each question and the bounds of its t interval, in units of the scale."""
        half_N = float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error_N
        return tuple(self.mean + self.spread * z_N for z_N in (self.mean_N, self.mean_N - half_N, self.mean_N + half_N))  # type: ignore[return-value]  # three of them

    @property
    def sure_N(self) -> Floats:
        """The probability that the true mean lies within `CLOSE` standard deviations."""
        return surety(self.error_N)


def ratings(
    item_V: ArrayLike,
    rater_V: ArrayLike,
    value_V: ArrayLike,
    *,
    items: int | None = None,
    raters: int | None = None,
) -> Ratings:
    """Means of z-scores by item.

    Args:
        item_V: item numbers from 0, one per rating.
        rater_V: rater numbers from 0.
        value_V: ratings, all on one scale.
        items: how many items there are; one more than the largest number when left out.
        raters: likewise.

    Raises:
        Problem: no ratings, or columns of different lengths.
    """
    item, rater = codes(item_V, "item_V", items), codes(rater_V, "rater_V", raters)
    value = np.asarray(value_V, dtype=np.float64)
    check_lengths(item_V=item, rater_V=rater, value_V=value)
    N = int(item.max()) + 1 if items is None else items
    A = int(rater.max()) + 1 if raters is None else raters
    mean, spread = float(value.mean()), float(value.std()) or 1.0
    count_A = np.bincount(rater, minlength=A) + WEIGHT
    mean_A = (np.bincount(rater, value, A) + WEIGHT * mean) / count_A
    squares_A = np.bincount(rater, (value - mean_A[rater]) ** 2, A) + WEIGHT * spread**2
    z_V = (value - mean_A[rater]) / np.sqrt(squares_A / count_A)[rater]
    count_N = np.bincount(item, minlength=N)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_N = np.bincount(item, z_V, N) / count_N
    degrees = len(value) - int((count_N > 0).sum()) + WEIGHT
    noise = float(np.sqrt((((z_V - mean_N[item]) ** 2).sum() + WEIGHT * USUAL_NOISE**2) / degrees))
    with np.errstate(divide="ignore"):
        error_N = noise / np.sqrt(count_N)
    return Ratings(z_V, mean_N, error_N, noise, degrees, mean, spread)


def surety(error: ArrayLike) -> Floats:
    """The probability that the truth lies within `CLOSE` of an estimate with this standard error (normal)."""
    with np.errstate(divide="ignore"):
        return np.asarray(2 * ndtr(CLOSE / np.asarray(error, dtype=np.float64)) - 1, dtype=np.float64)


def without_own(item_V: Codes, z_V: Floats) -> tuple[Floats, Codes]:
    """(For each rating the mean z-score of the other ratings of its item, how many others there are)."""
    total_N, count_N = np.bincount(item_V, z_V), np.bincount(item_V)
    others_V = count_N[item_V] - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total_N[item_V] - z_V) / others_V, others_V
