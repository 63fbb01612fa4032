"""Drawing questions with given probabilities, and knowing the probability of every draw exactly."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from heedful.feedback.selection.evidence import Floats

Positions = NDArray[np.intp]


def systematic(probabilities_N: Floats, random: np.random.Generator) -> Positions:
    """A sample of fixed size that holds each item with its probability: systematic sampling in a random order.

    The size is the probabilities' sum, a whole number. Madow 1949, On the Theory of Systematic Sampling II, Annals of
    Mathematical Statistics 20.
    """
    size = round(float(probabilities_N.sum()))
    order = random.permutation(len(probabilities_N))
    ends = np.cumsum(np.clip(probabilities_N[order], 0.0, 1.0))
    ends *= size / ends[-1] if ends[-1] > 0 else 1.0  # the last end is the size to the last bit
    marks = random.random() + np.arange(size)
    return np.asarray(order[np.minimum(np.searchsorted(ends, marks, side="right"), len(order) - 1)], dtype=np.intp)


def with_control(
    probabilities_N: Floats, control: int, random: np.random.Generator
) -> tuple[Positions, Positions, Floats]:
    """A policy's sample beside a simple random sample, together of fixed size.

    Both are drawn from the whole pool and independently, so that the random one is an unbiased sample of it. What is
    in both is asked once, and as many others are drawn at random in its place.

    Args:
        probabilities_N: by the policy; they sum to the number k of questions that it may choose.
        control: the number c of questions chosen at random; k + c is at most N.
        random: random numbers.

    Returns:
        The positions of the control, those of the rest, and the probability (N,) with which each item of the pool is
        chosen in either way. For an item with the policy's probability p it is c/N + (1 - c/N) (p + (1 - p) f), where
        f = E[o / (N - k - c + o)] is the chance to be drawn in place of one of the o that both samples hold;
        o is hypergeometric, whichever the policy's sample: c draws from N - 1 with k of them in it.
    """
    size, wanted = len(probabilities_N), round(float(probabilities_N.sum()))
    at_random = random.permutation(size)[:control]
    by_policy = systematic(probabilities_N, random)
    taken = np.zeros(size, bool)
    taken[by_policy] = taken[at_random] = True
    rest = np.flatnonzero(~taken)
    places = wanted + control - int(taken.sum())
    others = np.concatenate([np.setdiff1d(by_policy, at_random), random.permutation(rest)[:places]])
    share = control / size
    chosen_N = share + (1 - share) * (probabilities_N + (1 - probabilities_N) * _filled(size, wanted, control))
    return np.asarray(at_random, np.intp), np.asarray(others, np.intp), np.clip(chosen_N, 0.0, 1.0)


@cache
def _filled(size: int, wanted: int, control: int) -> float:
    """The chance of an item that neither sample holds to be drawn in place of one that both hold."""
    if min(wanted, control) == 0 or size <= max(wanted, control):
        return 0.0
    from scipy.stats import hypergeom  # takes a while to import, and most choices do without

    both = np.arange(max(0, wanted + control - (size - 1)), min(wanted, control) + 1)
    chances = hypergeom.pmf(both, size - 1, wanted, control)
    return float(np.sum(chances * both / (size - wanted - control + both)))
