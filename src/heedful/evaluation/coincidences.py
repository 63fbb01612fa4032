"""Krippendorff's alpha of answers by choice, by order or by value, with an interval that knows items and annotators.

Krippendorff (2018), "Content Analysis", 4th edition, chapter 12. All that alpha needs is the coincidence matrix o: a
unit with m answers, c_k of them of value k, adds (c_k c_l - [k = l] c_k) / (m - 1) to o_kl. With n_k = sum_l o_kl,
n = sum_k n_k and a distance d between values

    alpha = 1 - D_observed / D_expected,   D_observed = sum o_kl d_kl / n,   D_expected = sum n_k n_l d_kl / (n (n - 1))
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np

from heedful.errors import Problem
from heedful.evaluation.clusters import Codes, Floats, check_lengths
from heedful.evaluation.intervals import Interval, quantile_for

Distance = Literal["nominal", "ordinal", "interval"]
"""nominal: equal or not; ordinal: by how many answers lie between; interval: the squared difference of values."""

LEAST_CLUSTERS = 3
"""With fewer items or annotators, leaving one out says nothing about others like them."""

CELLS_AT_ONCE = 2_000_000


def alpha_interval(
    items: Sequence[Hashable],
    annotators: Sequence[Hashable],
    values: Sequence[Hashable],
    distance: Distance = "nominal",
    confidence: float = 0.95,
) -> Interval:
    """Alpha with a jackknife t interval that is clustered by item and by annotator.

    The variance is the largest of: by answer, by item, by annotator, and by item plus by annotator less by answer (as
    in `heedful.evaluation.clusters`), each from leaving one out and computing alpha anew. Fewer than three annotators
    are taken as they are, and the interval then speaks of them alone.

    Args:
        items: length V, what was judged.
        annotators: length V, by whom.
        values: length V, the answers; numbers unless the distance is nominal.
        distance: how far apart two answers are.
        confidence: coverage.

    Raises:
        Problem: columns of different lengths, no item with two answers, or an answer that is not a number where one
            is wanted.
    """
    check_lengths("Krippendorff's alpha", items=items, annotators=annotators, values=values)
    value_V, value_C = value_codes(values, distance)
    item_V, annotator_V = numbered(items), numbered(annotators)
    kept_V = np.bincount(item_V)[item_V] >= 2
    if not kept_V.any():
        raise Problem(
            "no question has two answers, so agreement cannot be measured",
            mend="ask some questions of two or more annotators (overlap)",
        )
    value_V, item_V, annotator_V = value_V[kept_V], _dense(item_V[kept_V]), _dense(annotator_V[kept_V])
    counts_UC = _counts(item_V, value_V, len(value_C))
    whole_CC = coincidences(item_V, value_V, len(value_C))
    found = float(alpha_of(whole_CC[None], value_C, distance)[0])
    ways = {"item": item_V, "annotator": annotator_V, "answer": np.arange(len(item_V))}
    variance: dict[str, float] = {}
    degrees = math.inf
    for name, group_V in ways.items():
        groups = int(group_V.max()) + 1
        if groups >= LEAST_CLUSTERS:
            variance[name] = _jackknife(whole_CC, counts_UC, group_V, item_V, value_V, value_C, distance)
            degrees = min(degrees, groups - 1)
    if "item" in variance and "annotator" in variance:
        variance["both"] = variance["item"] + variance["annotator"] - variance.get("answer", 0.0)
    if not {"item", "annotator"} & set(variance):
        return Interval(found, -math.inf, 1.0)
    half = quantile_for(confidence, degrees) * math.sqrt(max(variance.values()))
    return Interval(found, found - half, min(found + half, 1.0))


def alpha_of(coincidences_RCC: Floats, value_C: Floats, distance: Distance) -> Floats:
    """Alpha of each of R coincidence matrices; 1 where there is no disagreement to expect, NaN where there is nothing.

    Args:
        coincidences_RCC: symmetric.
        value_C: the values in rising order; not used where the distance is nominal.
        distance: how far apart two of them are.
    """
    n_RC = coincidences_RCC.sum(axis=2)
    n_R = n_RC.sum(axis=1)
    if distance == "nominal":
        observed_R = n_R - np.trace(coincidences_RCC, axis1=1, axis2=2)
        expected_R = n_R**2 - (n_RC**2).sum(axis=1)
    else:
        # The ordinal distance of Krippendorff is the squared difference of mid-ranks.
        place_RC = np.cumsum(n_RC, axis=1) - n_RC / 2 if distance == "ordinal" else np.tile(value_C, (len(n_RC), 1))
        place_RC = place_RC - place_RC.mean(axis=1, keepdims=True)
        crossed_R = np.einsum("rc,rcd,rd->r", place_RC, coincidences_RCC, place_RC, optimize=True)
        square_R = (n_RC * place_RC**2).sum(axis=1)
        observed_R = 2 * (square_R - crossed_R)
        expected_R = 2 * (n_R * square_R - (n_RC * place_RC).sum(axis=1) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio_R = observed_R * (n_R - 1) / expected_R
    return np.where(n_R <= 1, np.nan, np.where(expected_R <= 1e-9 * n_R, 1.0, 1 - ratio_R))


def coincidences(unit_V: Codes, value_V: Codes, classes: int) -> Floats:
    """The coincidence matrix of all units; a unit with fewer than two answers adds nothing."""
    counts_UC = _counts(unit_V, value_V, classes)
    size_U = counts_UC.sum(axis=1)
    scaled_UC = counts_UC * np.where(size_U >= 2, 1 / np.maximum(size_U - 1, 1), 0.0)[:, None]
    return np.asarray(scaled_UC.T @ counts_UC - np.diag(scaled_UC.sum(axis=0)), dtype=np.float64)


def value_codes(values: Sequence[Hashable], distance: Distance) -> tuple[Codes, Floats]:
    """(The number of each answer's value, the values in rising order; for nominal answers the numbers themselves).

    Raises:
        Problem: an answer that is not a finite number, where the distance needs numbers.
    """
    if distance == "nominal":
        code_V = numbered(values)
        return code_V, np.arange(int(code_V.max()) + 1, dtype=np.float64)
    try:
        value_V = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        value_V = np.array([np.nan])
    if not np.isfinite(value_V).all():
        raise Problem(f"answers are to be numbers for an agreement by {distance} distance", where="values")
    value_C, found_V = np.unique(value_V, return_inverse=True)
    return found_V.reshape(-1).astype(np.int64), value_C


def numbered(names: Sequence[Hashable]) -> Codes:
    """A number from 0 for every name, in the order in which they come."""
    found: dict[Hashable, int] = {}
    return np.array([found.setdefault(name, len(found)) for name in names], dtype=np.int64)


def sums(rows_VC: Floats, group_V: Codes) -> Floats:
    """The rows of each group added up, (groups, C)."""
    return np.stack([np.bincount(group_V, weights=column) for column in rows_VC.T], axis=1)


def _dense(codes_V: Codes) -> Codes:
    return np.unique(codes_V, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _counts(row_V: Codes, value_V: Codes, classes: int) -> Floats:
    rows = int(row_V.max()) + 1
    return np.bincount(row_V * classes + value_V, minlength=rows * classes).reshape(rows, classes).astype(np.float64)


def _jackknife(
    whole_CC: Floats,
    counts_UC: Floats,
    group_V: Codes,
    item_V: Codes,
    value_V: Codes,
    value_C: Floats,
    distance: Distance,
) -> float:
    """(G - 1) / G times the sum of squares of alpha without each group; groups that leave nothing are passed over."""
    C, groups = len(value_C), int(group_V.max()) + 1
    cell_V = group_V * len(counts_UC) + item_V
    cell_K, row_V = np.unique(cell_V, return_inverse=True)
    removed_KC = _counts(row_V.reshape(-1), value_V, C)
    group_K, unit_K = cell_K // len(counts_UC), cell_K % len(counts_UC)
    starts = np.searchsorted(group_K, np.arange(groups + 1))
    found: list[Floats] = []
    at_once = max(1, CELLS_AT_ONCE // C**2)
    for first in range(0, groups, at_once):
        last = min(first + at_once, groups)
        left_RCC = np.tile(whole_CC, (last - first, 1, 1))
        for start in range(starts[first], starts[last], at_once):
            cells = slice(start, min(start + at_once, starts[last]))
            before_KC = counts_UC[unit_K[cells]]
            change = _outer(before_KC - removed_KC[cells]) - _outer(before_KC)
            np.add.at(left_RCC, group_K[cells] - first, change)
        found.append(alpha_of(left_RCC, value_C, distance))
    alpha_G = np.concatenate(found)
    alpha_G = alpha_G[np.isfinite(alpha_G)]
    if len(alpha_G) < LEAST_CLUSTERS:
        return 0.0
    return float((len(alpha_G) - 1) / len(alpha_G) * ((alpha_G - alpha_G.mean()) ** 2).sum())


def _outer(counts_KC: Floats) -> Floats:
    """The coincidence matrix of each unit by itself, (K, C, C)."""
    size_K = counts_KC.sum(axis=1)
    share_K = np.where(size_K >= 2, 1 / np.maximum(size_K - 1, 1), 0.0)
    diagonal = counts_KC[:, :, None] * np.eye(counts_KC.shape[1])
    return np.asarray(
        (counts_KC[:, :, None] * counts_KC[:, None, :] - diagonal) * share_K[:, None, None], dtype=np.float64
    )
