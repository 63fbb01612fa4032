"""Simulated crowds as plain arrays, with known truth and known abilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from heedful.seeds import generator

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Crowd:
    """Votes on pairs, `overlap` a pair, of a crowd of which three in ten are bad."""

    pair_V: Codes
    first_V: Codes
    second_V: Codes
    annotator_V: Codes
    outcome_V: Floats
    side_V: Floats
    difference_N: Floats
    """True difference of the pair; a (the first) is better above 0."""
    faults_A: list[str]
    """`good`, `spam` (tosses a coin), `left` (takes the side shown first) or `adverse` (answers the opposite)."""
    ability_A: Floats
    """How often each would name the better one if sides were even."""

    @property
    def bad_A(self) -> NDArray[np.bool_]:
        return np.array([fault != "good" for fault in self.faults_A])


def crowd(
    seed: int, *, annotators: int = 40, pairs: int = 800, overlap: int = 5, items: int = 0, ties: float = 0.0
) -> Crowd:
    """Draw a crowd; with `items` the pairs are drawn from so many items, else each pair is one of a kind."""
    random = generator(seed, "crowd")
    tenth = annotators // 10
    faults = ["spam"] * tenth + ["left"] * tenth + ["adverse"] * tenth
    faults = faults + ["good"] * (annotators - len(faults))
    if items:
        score_I = random.normal(size=items)
        ends_N2 = np.array([random.choice(items, 2, replace=False) for _ in range(pairs)])
        difference_N = score_I[ends_N2[:, 0]] - score_I[ends_N2[:, 1]]
    else:
        ends_N2 = np.arange(2 * pairs).reshape(pairs, 2)
        difference_N = random.normal(size=pairs) * np.sqrt(2)
    pair_V = np.repeat(np.arange(pairs), overlap)
    annotator_V = np.concatenate([random.permutation(annotators)[:overlap] for _ in range(pairs)])
    side_V = random.choice([-1.0, 1.0], size=len(pair_V))
    care_A = random.uniform(1.1, 3.3, size=annotators)
    sees_V = 1 / (1 + np.exp(-difference_N[pair_V] * care_A[annotator_V]))
    fault_V = np.array(faults)[annotator_V]
    p_V = np.select(
        [fault_V == "spam", fault_V == "left", fault_V == "adverse"],
        [np.full(len(pair_V), 0.5), 0.5 + 0.47 * side_V, 1 - sees_V],
        sees_V,
    )
    outcome_V = (random.random(len(pair_V)) < p_V).astype(np.float64)
    outcome_V[random.random(len(pair_V)) < ties * np.exp(-(difference_N[pair_V] ** 2))] = 0.5
    right_A = np.array([(1 / (1 + np.exp(-np.abs(difference_N) * care))).mean() for care in care_A])
    ability_A = np.array(
        [{"good": right, "adverse": 1 - right}.get(fault, 0.5) for fault, right in zip(faults, right_A, strict=True)]
    )
    ends_V2 = ends_N2[pair_V]
    return Crowd(pair_V, ends_V2[:, 0], ends_V2[:, 1], annotator_V, outcome_V, side_V, difference_N, faults, ability_A)


@pytest.fixture
def crowd_of() -> Callable[..., Crowd]:
    """The function `crowd`."""
    return crowd


@pytest.fixture
def auc() -> Callable[[Floats, NDArray[np.bool_]], float]:
    """(score, whether it is one of those to find) -> the area under the ROC curve: ties count half."""

    def area(score_N: Floats, wanted_N: NDArray[np.bool_]) -> float:
        found, others = score_N[wanted_N], score_N[~wanted_N]
        above = (found[:, None] > others).mean() + 0.5 * (found[:, None] == others).mean()
        return float(above)

    return area
