"""Choosing from a pool by a policy, with propensities, and a control share that is always chosen at random.

The propensity is stored with the question, so that what was learned from a chosen sample can be weighted back to
the whole pool (inverse propensity: Horvitz & Thompson 1952). The control share is a simple random sample of the pool,
whatever the policy: an unbiased set to evaluate on, and what every policy is measured against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from heedful.errors import Problem
from heedful.feedback.selection.d_optimal import by_d_optimal
from heedful.feedback.selection.disagreement import by_disagreement
from heedful.feedback.selection.evidence import Evidence, Floats, Policy
from heedful.feedback.selection.margin import by_margin
from heedful.feedback.selection.sampling import with_control
from heedful.feedback.selection.thompson import by_thompson
from heedful.seeds import generator

Item = TypeVar("Item")

RANDOM_SHARE = 0.2
"""Of a choice, chosen at random whatever the policy."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[Item]):
    """One of the pool that was chosen."""

    item: Item
    propensity: float
    """The probability with which this item was chosen, over all that the seed decides."""
    selection: str
    """`random` for the control share (and under the policy `random`), otherwise the policy's name."""


def by_chance(known: Evidence, budget: int) -> Floats:
    """The same probability for all: a simple random sample without replacement."""
    return np.full(known.size, budget / known.size)


POLICIES: dict[str, Policy] = {
    "random": by_chance,
    "margin": by_margin,
    "disagreement": by_disagreement,
    "d_optimal": by_d_optimal,
    "thompson": by_thompson,
}
"""Selection policies by name."""


def choose(
    pool: Sequence[Item],
    budget: int,
    policy: str = "random",
    seed: int = 0,
    *,
    scores: ArrayLike | None = None,
    features: ArrayLike | None = None,
    random_share: float = RANDOM_SHARE,
) -> list[Choice[Item]]:
    """Choose `budget` items of the pool, in random order, each with the probability with which it was chosen.

    Args:
        pool: the N candidates.
        budget: how many to choose; the whole pool, in its order and with propensity 1, when it holds no more.
        policy: a name in `POLICIES`.
        seed: of the choice.
        scores: (E, N) or (N), for `margin`, `disagreement` and `thompson`, see `Evidence`.
        features: (N, D), for `d_optimal`.
        random_share: of the budget, chosen at random, rounded.

    Raises:
        Problem: there is no such policy, it lacks what it goes by, or a number is out of its range.
    """
    if policy not in POLICIES:
        raise Problem(f"there is no selection policy {policy!r}", mend=f"use one of {', '.join(POLICIES)}")
    if budget < 0:
        raise Problem("a budget cannot be negative", where=f"budget {budget}", mend="give how many to choose")
    if not 0 <= random_share <= 1:
        raise Problem("the random share is a share", where=f"random share {random_share}", mend="use one from 0 to 1")
    known = Evidence.of(len(pool), scores, features)
    random = generator(seed, "selection", policy)
    control = round(random_share * min(budget, len(pool)))
    if budget >= len(pool):
        marked = set(range(len(pool)) if policy == "random" else random.permutation(len(pool))[:control].tolist())
        return [Choice(item, 1.0, "random" if i in marked else policy) for i, item in enumerate(pool)]
    if policy == "random":
        return [Choice(pool[i], budget / len(pool), policy) for i in random.permutation(len(pool))[:budget].tolist()]
    at_random, others, propensities_N = with_control(POLICIES[policy](known, budget - control), control, random)
    chosen = [(i, "random") for i in at_random.tolist()] + [(i, policy) for i in others.tolist()]
    ordered = [chosen[i] for i in random.permutation(len(chosen)).tolist()]
    return [Choice(pool[i], float(propensities_N[i]), name) for i, name in ordered]


def select(
    pool: Sequence[Item],
    budget: int,
    policy: str = "random",
    seed: int = 0,
    *,
    scores: ArrayLike | None = None,
    features: ArrayLike | None = None,
    random_share: float = RANDOM_SHARE,
) -> list[tuple[Item, float]]:
    """As `choose`, as pairs of an item and its propensity, without saying which are the control share."""
    chosen = choose(pool, budget, policy, seed, scores=scores, features=features, random_share=random_share)
    return [(choice.item, choice.propensity) for choice in chosen]
