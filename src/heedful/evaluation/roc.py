"""How well a score tells two kinds of things apart: the area under the ROC curve, with a clustered interval.

The area is the chance that one of the first kind has a higher score than one of the second, equal scores counting half
(Hanley and McNeil 1982, Radiology 143). Its variance is the jackknife's: how it moves when a cluster is left out.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from heedful.errors import Problem
from heedful.evaluation.clusters import Floats, check_lengths
from heedful.evaluation.intervals import Interval, quantile_for


def area_under_roc(
    score_N: ArrayLike, positive_N: ArrayLike, clusters: Sequence[Hashable], *, confidence: float = 0.95
) -> Interval:
    """P(score of a positive one > score of a negative one), with an interval that stays inside [0, 1].

    The interval is Wilson's with the effective size A (1 - A) / variance (see `proportion_interval`), or the smaller
    one of the two kinds' counts where the variance is 0.

    Args:
        score_N: finite numbers.
        positive_N: True for the first kind.
        clusters: length N, what hangs together.
        confidence: coverage.

    Raises:
        Problem: there are not both kinds, or a score is not finite.
    """
    score = np.asarray(score_N, dtype=np.float64)
    positive = np.asarray(positive_N, dtype=bool)
    check_lengths("area under the ROC curve", score_N=score, positive_N=positive, clusters=clusters)
    if not np.isfinite(score).all():
        raise Problem("a score is not finite", where=f"score_N, entry {int(np.flatnonzero(~np.isfinite(score))[0])}")
    if positive.all() or not positive.any():
        raise Problem("all are of one kind, so there is nothing to tell apart", mend="collect labels of the other kind")
    area = _area(score, positive)
    numbers = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    cluster = np.array([numbers[name] for name in clusters])
    without = []
    for g in range(len(numbers)):
        rest = cluster != g
        if 0 < positive[rest].sum() < rest.sum():
            without.append(_area(score[rest], positive[rest]))
    G = len(without)
    variance = (G - 1) / G * float(((np.array(without) - np.mean(without)) ** 2).sum()) if G > 1 else 0.0
    size = area * (1 - area) / variance if variance > 1e-15 else float(min(positive.sum(), (~positive).sum()))
    t = quantile_for(confidence, max(G - 1, 1))
    centre = (area + t**2 / (2 * size)) / (1 + t**2 / size)
    half = t / (1 + t**2 / size) * math.sqrt(area * (1 - area) / size + t**2 / (4 * size**2))
    return Interval(area, max(0.0, min(centre - half, area)), min(1.0, max(centre + half, area)))


def _area(score_N: Floats, positive_N: np.ndarray) -> float:
    """Mann and Whitney's statistic, as a share of all pairs."""
    count = int(positive_N.sum())
    over = rankdata(score_N)[positive_N].sum() - count * (count + 1) / 2
    return float(over / (count * (len(score_N) - count)))
