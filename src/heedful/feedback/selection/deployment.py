"""Which of a deployment's logs people should look at: where the reward models doubt, and nothing like it was seen.

First the most doubtful are kept, then of these the ones that cover them best: each further one is the farthest from
all that was labelled or queued before (k-centre greedy, Sener & Savarese 2018, Active Learning for Convolutional
Neural Networks: A Core-Set Approach, arXiv 1708.00489, algorithm 1). Doubt alone would ask the same thing many times,
novelty alone would ask about every oddity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heedful.errors import Problem
from heedful.feedback.selection.evidence import Evidence, Floats, top
from heedful.feedback.selection.sampling import with_control
from heedful.seeds import generator

CANDIDATES = 3
"""So many times the budget are kept as the most doubtful."""


@dataclass(frozen=True, slots=True)
class Queued:
    """One of the logs, to be judged."""

    position: int
    """In the logs."""
    doubt: float
    """The standard deviation of its score between the models; with one model, minus how far the score is from zero."""
    novelty: float
    """Distance to the nearest that was labelled or queued before it, in standard deviations of the features."""
    propensity: float
    """The probability with which it was queued."""
    selection: str
    """`random` for the control share, otherwise `active_queue`."""


def active_queue(
    features: ArrayLike,
    scores: ArrayLike,
    budget: int,
    *,
    labelled: ArrayLike | None = None,
    random_share: float = 0.2,
    seed: int = 0,
) -> list[Queued]:
    """Choose which logs to judge, the control share mixed in at random places.

    Args:
        features: (N, D) of the logs.
        scores: (E, N) or (N) by the reward models: of a completion its score, of a pair the difference.
        budget: how many to queue; all when there are no more.
        labelled: (M, D) features of what people have judged already.
        random_share: of the budget, chosen at random: an unbiased sample of the logs.
        seed: of the random share.

    Raises:
        Problem: the shapes do not fit, or a number is out of its range.
    """
    values = np.atleast_2d(np.asarray(scores, float))
    known = Evidence.of(values.shape[-1], values, features)
    if budget < 0 or not 0 <= random_share <= 1:
        raise Problem("a budget is a number from 0, a random share one from 0 to 1", where="active queue")
    features_ND = known.features("active_queue")
    doubt_N = values.std(axis=0) if len(values) > 1 else -np.abs(values[0])
    if known.size == 0:
        return []
    scale_D = features_ND.std(axis=0)
    scaled_ND = features_ND / np.where(scale_D > 0, scale_D, 1.0)
    before_MD = np.zeros((0, features_ND.shape[1])) if labelled is None else np.asarray(labelled, float)
    before_MD = before_MD / np.where(scale_D > 0, scale_D, 1.0)
    budget = min(budget, known.size)
    control = round(random_share * budget)
    candidates = np.flatnonzero(top(doubt_N, min(CANDIDATES * budget, known.size)) > 0)
    order, _ = k_centre(scaled_ND[candidates], budget - control, before_MD)
    wanted_N = np.zeros(known.size)
    wanted_N[candidates[order]] = 1.0
    random = generator(seed, "active queue")
    at_random, others, propensities_N = with_control(wanted_N, control, random)
    positions = random.permutation(np.concatenate([at_random, others]))
    novelty = distances_in_turn(scaled_ND[positions], before_MD)
    marked = set(at_random.tolist())
    return [
        Queued(
            position=i,
            doubt=float(doubt_N[i]),
            novelty=float(novelty[turn]),
            propensity=float(propensities_N[i]),
            selection="random" if i in marked else "active_queue",
        )
        for turn, i in enumerate(positions.tolist())
    ]


def k_centre(points_ND: Floats, budget: int, before_MD: Floats) -> tuple[list[int], list[float]]:
    """Positions of `budget` points that cover all, and how far each was from everything before it.

    Each is the farthest from what was chosen before it and from `before_MD`; the first, where nothing was, the
    nearest to the mean.
    """
    distances_N = nearest(points_ND, before_MD)
    chosen: list[int] = []
    reach: list[float] = []
    for _ in range(min(budget, len(points_ND))):
        if np.isinf(distances_N).all():
            best = int(np.argmin(np.sum((points_ND - points_ND.mean(axis=0)) ** 2, axis=1)))
        else:
            best = int(np.argmax(distances_N))
        chosen.append(best)
        reach.append(float(distances_N[best]))
        distances_N = np.minimum(distances_N, np.sqrt(np.sum((points_ND - points_ND[best]) ** 2, axis=1)))
        distances_N[chosen] = -1.0
    return chosen, reach


def nearest(points_ND: Floats, before_MD: Floats) -> Floats:
    """The distance (N,) of each point to the nearest of `before_MD`; infinite where there is none."""
    distances_N = np.full(len(points_ND), np.inf)
    for point_D in before_MD:
        distances_N = np.minimum(distances_N, np.sqrt(np.sum((points_ND - point_D) ** 2, axis=1)))
    return distances_N


def distances_in_turn(points_ND: Floats, before_MD: Floats) -> Floats:
    """The distance (N,) of each point to the nearest of those before it and of `before_MD`; 0 where there is none."""
    found = np.zeros(len(points_ND))
    for turn, point_D in enumerate(points_ND):
        earlier = np.concatenate([before_MD, points_ND[:turn]])
        if len(earlier):
            found[turn] = float(np.sqrt(np.min(np.sum((earlier - point_D) ** 2, axis=1))))
    return found
