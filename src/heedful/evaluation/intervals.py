"""An estimate with its interval, and the two ways to make one: for a mean and for a proportion.

Also the quantiles of Student's t, so that intervals from few annotators are as wide as they have to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from heedful.errors import Problem
from heedful.evaluation.clusters import Clustering, covariances


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between its bounds; a bound may be infinite where the data set no limit."""

    value: float
    low: float
    high: float


def mean_interval(values_N: ArrayLike, clustering: Clustering, confidence: float = 0.95) -> Interval:
    """The mean of `values_N` with a cluster-robust t interval.

    Args:
        values_N: finite numbers, at least one; any unit, and the result has the same.
        clustering: which values belong together, from `heedful.evaluation.clusters.clustering_of`.
        confidence: coverage, between 0 and 1.

    Returns:
        The interval mean +- t(G-1) * se (see `heedful.evaluation.clusters`). From a single value: unlimited.
    """
    values = np.asarray(values_N, dtype=np.float64)
    mean = float(values.mean())
    if len(values) == 1:
        return Interval(mean, -math.inf, math.inf)
    variance, degrees = _variance_of_mean(values, clustering)
    half = quantile_for(confidence, degrees) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half)


def proportion_interval(values_N: ArrayLike, clustering: Clustering, confidence: float = 0.95) -> Interval:
    """The mean of values in [0, 1] with a cluster-robust Wilson interval, which stays inside [0, 1].

    Wilson (1927) with the effective sample size p(1 - p) / variance and the t quantile, as is usual for
    complex surveys: Dean and Pagano (2015), "Evaluating confidence interval methods for binomial proportions
    in clustered surveys", Journal of Survey Statistics and Methodology 3. Where all values are equal the
    variance says nothing and the values count as that many independent ones.

    Args:
        values_N: numbers in [0, 1], at least one.
        clustering: which values belong together.
        confidence: coverage, between 0 and 1.
    """
    values = np.asarray(values_N, dtype=np.float64)
    n, p = len(values), float(values.mean())
    variance, degrees = _variance_of_mean(values, clustering) if n > 1 else (0.0, math.inf)
    t = quantile_for(confidence, degrees)
    effective_n = p * (1 - p) / variance if variance > 1e-15 else float(n)
    return wilson_interval(p, effective_n, t)


def wilson_interval(share: float, effective_n: float, t: float) -> Interval:
    """The interval of a share that so many independent observations would have, `t` standard errors wide (1927)."""
    centre = (share + t**2 / (2 * effective_n)) / (1 + t**2 / effective_n)
    half = t / (1 + t**2 / effective_n) * math.sqrt(share * (1 - share) / effective_n + t**2 / (4 * effective_n**2))
    return Interval(share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share))


def quantile_for(confidence: float, degrees: float) -> float:
    """How many standard errors a two-sided interval reaches: Student's t with `degrees`, normal at infinity.

    Raises:
        Problem: the confidence is not strictly between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise Problem(f"confidence must lie between 0 and 1, not {confidence}", mend="use for example 0.95")
    return student_t_quantile((1 + confidence) / 2, degrees)


def student_t_quantile(probability: float, degrees: float) -> float:
    """The value that Student's t with `degrees` (> 0, may be infinite) stays below with `probability` (>= 0.5)."""
    if math.isinf(degrees):
        return NormalDist().inv_cdf(probability)
    low, high = 0.0, 1.0
    while _student_t_cdf(high, degrees) < probability:
        low, high = high, 2 * high
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _student_t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _variance_of_mean(values_N: np.ndarray, clustering: Clustering) -> tuple[float, float]:
    """(variance of the mean, degrees of freedom): the covariance of a fit of a constant."""
    ones_N = np.ones(len(values_N))
    found = covariances(ones_N[:, None], values_N - values_N.mean(), ones_N, clustering)
    return found.variance(np.ones(1)), found.degrees


def _student_t_cdf(t: float, degrees: float) -> float:
    """P(T <= t) for t >= 0: 1 - I_x(v/2, 1/2) / 2 with x = v / (v + t^2) (DLMF 8.17)."""
    return 1 - _regularised_beta(degrees / (degrees + t * t), degrees / 2, 0.5) / 2


def _regularised_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b) by its continued fraction (DLMF 8.17.22), evaluated with Lentz's method."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _regularised_beta(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d, fraction = 1.0, 0.0, 1.0
    for i in range(500):
        m = i // 2
        if i == 0:
            term = 1.0
        elif i % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        fraction *= c * d
        if abs(1 - c * d) < 1e-15:
            break
    return math.exp(log_front) * (fraction - 1) / a
