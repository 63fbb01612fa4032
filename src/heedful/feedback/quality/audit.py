"""Which labels are probably wrong: what reward models that never saw a pair say about its label.

Wang et al. (2024), "Secrets of RLHF in Large Language Models Part II: Reward Modeling", arXiv:2401.06080: the
preference strength of a pair is the mean over E reward models of the score of the completion labelled better less
that of the other. Far below 0 the label is probably flipped; near 0 it says little. They flip the lowest fifth, smooth
labels, and take the strength as margin.

What differs: there every model is trained on every pair, and learns part of the very mistakes that it is to find.
Here `cross_fit` plans the training so that a pair is judged only by models that were not trained on it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.errors import Problem
from heedful.feedback.quality.votes import Codes, Floats
from heedful.seeds import generator


@dataclass(frozen=True)
class CrossFit:
    """What each reward model is trained on, and what it may judge."""

    weight_EN: Floats
    """How often pair n is in the training data of model e (a bootstrap sample of its half); 0 where it judges it."""
    judges_mask_EN: NDArray[np.bool_]
    """True where model e may judge pair n."""


@dataclass(frozen=True)
class Suspicion:
    """How much each label is doubted."""

    strength_N: Floats
    """Preference strength in units of the scores; below 0 the models prefer the other completion."""
    spread_N: Floats
    """Standard deviation over the models; NaN where a single one judged."""
    against_N: Floats
    """The share of the models that prefer the other completion (a tie counts half)."""
    order_N: Codes
    """Pair numbers, the most suspicious first."""


def cross_fit(groups: Sequence[Hashable], models: int = 10, seed: int = 0) -> CrossFit:
    """Plan E models so that each pair is judged by half of them and trains the others only.

    Args:
        groups: length N: what must stay together, such as the prompt of each pair.
        models: E, even, at least 2.
        seed: of the halves and the bootstrap samples.

    Raises:
        Problem: an odd number of models, or fewer than two groups.
    """
    if models < 2 or models % 2:
        raise Problem("an even number of models is wanted", where=f"models={models}", mend="use for example 10")
    number = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    if len(number) < 2:
        raise Problem("all pairs belong together, so no model could be trained without them", where="groups")
    group_N = np.array([number[name] for name in groups])
    judges_EN = np.zeros((models, len(group_N)), dtype=bool)
    weight_EN = np.zeros((models, len(group_N)))
    for e in range(0, models, 2):
        random = generator(seed, "audit", e)
        in_half = np.zeros(len(number), dtype=bool)
        in_half[random.permutation(len(number))[: len(number) // 2]] = True
        for row, judged in ((e, in_half[group_N]), (e + 1, ~in_half[group_N])):
            judges_EN[row] = judged
            drawn = random.choice(np.flatnonzero(~judged), size=int((~judged).sum()))
            weight_EN[row] = np.bincount(drawn, minlength=len(group_N))
    return CrossFit(weight_EN, judges_EN)


def suspicious_labels(difference_EN: ArrayLike, judges_mask_EN: ArrayLike | None = None) -> Suspicion:
    """Rank labels by how much reward models doubt them.

    Args:
        difference_EN: for each model and pair the score of the completion labelled better less that of the other.
            For pooled votes the direction is that of the majority; leave undecided pairs out.
        judges_mask_EN: True where the model was not trained on the pair and may judge it, from `cross_fit`; all of
            them when left out, which is only right for pairs that no model was trained on.

    Raises:
        Problem: shapes that do not fit, a difference that is not a number, or a pair without a judge.
    """
    difference = np.asarray(difference_EN, dtype=np.float64)
    mask = np.ones(difference.shape, dtype=bool) if judges_mask_EN is None else np.asarray(judges_mask_EN, dtype=bool)
    if difference.ndim != 2 or mask.shape != difference.shape:
        raise Problem("differences and mask are to be of one shape, (E, N)", where="suspicious_labels")
    if not np.isfinite(np.where(mask, difference, 0.0)).all():
        raise Problem("a difference of scores is not a number", where="difference_EN")
    judges_N = mask.sum(axis=0)
    if not judges_N.all():
        raise Problem("no model may judge this pair", where=f"pair {int(np.argmin(judges_N))}", mend="use cross_fit")
    counted = np.where(mask, difference, 0.0)
    strength_N = counted.sum(axis=0) / judges_N
    squares_N = np.where(mask, (difference - strength_N) ** 2, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread_N = np.sqrt(squares_N / (judges_N - 1))
    against_N = np.where(mask, (np.sign(-difference) + 1) / 2, 0.0).sum(axis=0) / judges_N
    return Suspicion(strength_N, spread_N, against_N, np.argsort(strength_N, kind="stable"))


def flipped(target_N: ArrayLike, strength_N: ArrayLike, share: float = 0.2) -> Floats:
    """The targets with the least strong `share` of the labels turned round, as far as their strength is below 0.

    Args:
        target_N: share of votes for the first completion, in [0, 1].
        strength_N: of the label (see `suspicious_labels`).
        share: at most how many are turned, of all.
    """
    target, strength = np.asarray(target_N, dtype=np.float64), np.asarray(strength_N, dtype=np.float64)
    chosen_N = _lowest(strength, share) & (strength < 0)
    return np.where(chosen_N, 1 - target, target)


def smoothed(target_N: ArrayLike, strength_N: ArrayLike, share: float = 0.2, towards_half: float = 0.5) -> Floats:
    """The targets with the least strong `share` of the labels drawn towards 1/2 by `towards_half` (1: all the way)."""
    target = np.asarray(target_N, dtype=np.float64)
    softened = (1 - towards_half) * target + towards_half / 2
    return np.where(_lowest(np.asarray(strength_N, dtype=np.float64), share), softened, target)


def adaptive_margins(strength_N: ArrayLike, scale: float = 1.0) -> Floats:
    """Margins for the reward model's loss: the strength where the models agree with the label, else 0.

    Theirs may be negative; a margin of `heedful.records.Comparison` never is, and pairs below 0 are for `flipped`.
    """
    return np.asarray(scale * np.maximum(np.asarray(strength_N, dtype=np.float64), 0.0), dtype=np.float64)


def _lowest(strength_N: Floats, share: float) -> NDArray[np.bool_]:
    if not 0 <= share <= 1:
        raise Problem("a share lies between 0 and 1", where=f"share={share}")
    chosen_N = np.zeros(len(strength_N), dtype=bool)
    chosen_N[np.argsort(strength_N, kind="stable")[: int(share * len(strength_N))]] = True
    return chosen_N
