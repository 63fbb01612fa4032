"""Votes as plain arrays: the form in which every method of this room takes them, checked once.

Suffixes: V votes, I items, N pairs (or labelled things), A annotators, C classes, G grid points. Items, pairs and
annotators are numbered from 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.errors import Problem

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class PairVotes:
    """Votes between two items each, one row a vote. Make it with `pair_votes`."""

    first_V: Codes
    """One item of the pair; which of the two comes first means nothing."""
    second_V: Codes
    annotator_V: Codes
    outcome_V: Floats
    """1: the first item is better; 1/2: tie; 0: the second is."""
    side_V: Floats
    """+1: the first item was shown first (left, above); -1: the second was; 0: not known."""
    items: int
    annotators: int


def pair_votes(
    first_V: ArrayLike,
    second_V: ArrayLike,
    annotator_V: ArrayLike,
    outcome_V: ArrayLike,
    side_V: ArrayLike | None = None,
    *,
    items: int | None = None,
    annotators: int | None = None,
) -> PairVotes:
    """Votes between items, as `PairVotes` describes them.

    Args:
        first_V: item numbers.
        second_V: item numbers.
        annotator_V: annotator numbers.
        outcome_V: 1, 1/2 or 0.
        side_V: +1, -1 or 0; not known when left out.
        items: how many there are; one more than the largest number when left out.
        annotators: likewise.

    Raises:
        Problem: no votes, columns of different lengths, an item against itself, or a value that is not allowed.
    """
    first, second = codes(first_V, "first_V", items), codes(second_V, "second_V", items)
    annotator = codes(annotator_V, "annotator_V", annotators)
    outcome = outcomes(outcome_V)
    side = sides(side_V, len(first))
    check_lengths(first_V=first, second_V=second, annotator_V=annotator, outcome_V=outcome, side_V=side)
    if (first == second).any():
        raise Problem("an item is compared with itself", where=f"vote {int(np.argmax(first == second))}")
    return PairVotes(
        first,
        second,
        annotator,
        outcome,
        side,
        items=int(max(first.max(), second.max())) + 1 if items is None else items,
        annotators=int(annotator.max()) + 1 if annotators is None else annotators,
    )


def codes(values: ArrayLike, name: str, count: int | None = None) -> Codes:
    """Whole numbers from 0, below `count` where it is given.

    Raises:
        Problem: a number is negative, too large or not whole.
    """
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise Problem("numbers from 0 are wanted, in one row", where=name)
    if array.size and (array.min() < 0 or (count is not None and array.max() >= count)):
        raise Problem(f"a number lies outside 0 .. {'' if count is None else count - 1}", where=name)
    return array.astype(np.int64)


def outcomes(values: ArrayLike) -> Floats:
    """Outcomes of comparisons: 1, 1/2 or 0.

    Raises:
        Problem: another value.
    """
    array = np.asarray(values, dtype=np.float64)
    if not np.isin(array, (0.0, 0.5, 1.0)).all():
        raise Problem("an outcome is 1, 0.5 or 0", where="outcome_V")
    return array


def sides(values: ArrayLike | None, count: int) -> Floats:
    """What was shown first: +1, -1 or 0; all 0 when it is not known.

    Raises:
        Problem: another value.
    """
    array = np.zeros(count) if values is None else np.asarray(values, dtype=np.float64)
    if not np.isin(array, (-1.0, 0.0, 1.0)).all():
        raise Problem("a side is 1, -1 or 0", where="side_V")
    return array


def check_lengths(**columns: NDArray[np.generic]) -> None:
    """Refuse columns that are empty or differ in length.

    Raises:
        Problem: says the lengths.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
    if 0 in lengths.values():
        raise Problem(f"there are no votes ({said})", mend="collect judgements first")
    if len(set(lengths.values())) > 1:
        raise Problem(f"the columns differ in length ({said})", mend="give one entry for each vote")
