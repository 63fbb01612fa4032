"""Intervals and tests for the plain counts of a profile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, ndtri, stdtrit


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `count`, between its bounds."""

    hits: int
    count: int
    value: float
    low: float
    high: float


def share(hits: int, count: int, confidence: float = 0.95) -> Share:
    """A share with its Wilson interval (Wilson 1927); `count` is at least 1."""
    z, p = float(ndtri((1 + confidence) / 2)), hits / count
    centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(p * (1 - p) / count + z**2 / (4 * count**2))
    return Share(hits, count, p, max(centre - half, 0.0), min(centre + half, 1.0))


def two_sided(hits: int, count: int) -> float:
    """The probability of a share at least as far from 1/2 when each is a coin toss (exact binomial test)."""
    return min(1.0, 2 * float(bdtr(min(hits, count - hits), count, 0.5)))


def difference(before: Sequence[float], after: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean of `after` less that of `before`, and its bounds (Welch 1947); at least two numbers each."""
    variances = [float(np.var(values, ddof=1)) / len(values) for values in (before, after)]
    total = sum(variances)
    found = float(np.mean(after) - np.mean(before))
    if total == 0:
        return found, found, found
    parts = zip(variances, (before, after), strict=True)
    degrees = total**2 / sum(variance**2 / (len(values) - 1) for variance, values in parts)
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * math.sqrt(total)
    return found, found - half, found + half
