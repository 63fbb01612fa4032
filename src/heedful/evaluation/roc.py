"""How well a score tells two kinds of things apart: the area under the ROC curve, with a clustered interval.

The area is the chance that one of the first kind has a higher score than one of the second, equal scores counting half
(Hanley and McNeil 1982, Radiology 143). Its variance is the jackknife's: how it moves when a cluster is left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from heedful.errors import Problem
from heedful.evaluation.clusters import Floats, check_lengths
from heedful.evaluation.intervals import Interval, quantile_for, wilson_interval


def area_under_roc(
    score_N: ArrayLike, positive_N: ArrayLike, clusters: Sequence[Hashable], *, confidence: float = 0.95
) -> Interval:
    """P(score of a positive one > score of a negative one), with an interval that stays inside [0, 1].

    The interval is Wilson's with the effective size A (1 - A) / variance (see `proportion_interval`): that of as many
    as there are clusters with the rarer kind where the variance is 0, and of 1 where one cluster holds all of a kind.

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
    positives, negatives = int(positive.sum()), int((~positive).sum())
    # How many of the other kind each one beats, if positive, or is beaten by, if negative; equal ones count half.
    place_N, own_N = rankdata(score), np.where(positive, _ranked(score, positive), _ranked(score, ~positive))
    beaten_N = np.where(positive, place_N - own_N, positives - (place_N - own_N))
    wins = float(beaten_N[positive].sum())
    area = wins / (positives * negatives)
    groups: dict[Hashable, list[int]] = {}
    for row, name in enumerate(clusters):
        groups.setdefault(name, []).append(row)
    without = []
    for rows in groups.values():
        up, down = score[rows][positive[rows]], score[rows][~positive[rows]]
        pairs = (positives - len(up)) * (negatives - len(down))
        inside = float(((1 + np.sign(up[:, None] - down)) / 2).sum())  # counted by both sides, and gone once
        if pairs:
            without.append((wins - float(beaten_N[rows].sum()) + inside) / pairs)
    G = len(without)
    variance = (G - 1) / G * float(((np.array(without) - np.mean(without)) ** 2).sum()) if G > 1 else 0.0
    most = min(len({name for name, up in zip(clusters, positive, strict=True) if up == kind}) for kind in (True, False))
    size = area * (1 - area) / variance if variance > 1e-15 else float(most)
    if len(groups) > G:  # one cluster holds all there is of a kind, so nothing tells how much another one would differ
        size = min(size, 1.0)
    return wilson_interval(area, size, quantile_for(confidence, max(G - 1, 1)))


def _ranked(score_N: Floats, among_N: NDArray[np.bool_]) -> Floats:
    """Ranks among those of one kind; 0 for the others."""
    found_N = np.zeros(len(score_N))
    found_N[among_N] = rankdata(score_N[among_N])
    return found_N
