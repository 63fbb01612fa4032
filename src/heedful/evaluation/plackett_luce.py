"""Strengths from whole rankings, or from comparisons: the maximum of the Plackett-Luce likelihood.

P(order) = product over places k of e^s_(k) / sum over j >= k of e^s_(j); of two it is Bradley-Terry. The maximum is
found by the MM algorithm of Hunter 2004, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32
(section 5), which climbs at every step. As a loss of a network: `heedful.learning.preference.plackett_luce`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from heedful.errors import Problem
from heedful.evaluation.clusters import Floats


def plackett_luce(
    orders: Sequence[Sequence[int]], items: int, *, tolerance: float = 1e-10, limit: int = 100_000
) -> Floats:
    """The strengths, in nats of log-odds with mean 0, that make some rankings most likely.

    Args:
        orders: item numbers from 0, the best first; a ranking may leave items out (comparisons name two).
        items: how many there are.
        tolerance: the largest change of a strength at which the search ends.
        limit: steps after which it is given up.

    Raises:
        Problem: a ranking names an item twice or an unknown one; or there is no maximum, because some items never rank
            below any of the others (Ford 1957); or it was not reached in `limit` steps.
    """
    for row, order in enumerate(orders):
        if len(set(order)) < len(order) or not all(0 <= item < items for item in order):
            raise Problem(f"{list(order)} is no ranking of {items} items", where=f"orders, entry {row}")
    beaten = [(a, b) for order in orders for a, b in pairwise(order)]
    better, worse = np.array(beaten, dtype=np.int64).reshape(-1, 2).T
    graph = csr_matrix((np.ones(len(beaten)), (better, worse)), shape=(items, items))
    if not beaten or connected_components(graph, connection="strong")[0] > 1:
        raise Problem(
            "some items never rank below any of the others, so nothing says how much better they are",
            where="orders",
            mend="collect more rankings, or leave out items that always or never win",
        )
    # A stage is a pick of one item out of those that are left; the last one is no choice.
    stages = [(order[k], order[k:]) for order in orders for k in range(len(order) - 1)]
    wins_I = np.bincount([winner for winner, _ in stages], minlength=items).astype(np.float64)
    members = np.concatenate([np.array(left) for _, left in stages])
    rows = np.repeat(np.arange(len(stages)), [len(left) for _, left in stages])
    there_SI = csr_matrix((np.ones(len(members)), (rows, members)), shape=(len(stages), items))
    worth_I = np.ones(items)
    for _ in range(limit):
        renewed_I = wins_I / (there_SI.T @ (1 / (there_SI @ worth_I)))
        renewed_I /= np.exp(np.log(renewed_I).mean())
        change = float(np.abs(np.log(renewed_I / worth_I)).max())
        worth_I = renewed_I
        if change < tolerance:
            return np.asarray(np.log(worth_I), dtype=np.float64)
    raise Problem(f"the strengths still change after {limit} steps", mend="raise the limit, or the tolerance")
