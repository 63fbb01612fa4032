"""What is known of a pool of N questions before anybody is asked, and what a policy makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.errors import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Arrays about the N questions of a pool; those that are not known are None."""

    size: int
    """N."""
    scores_EN: Floats | None = None
    """By each of E models, how strongly it expects the answer: of a comparison, the difference of the two scores."""
    features_ND: Floats | None = None
    """Of each question: of a comparison, the difference of the two completions' features."""

    @classmethod
    def of(cls, size: int, scores: ArrayLike | None = None, features: ArrayLike | None = None) -> Evidence:
        """Evidence about `size` questions from arrays of the shapes (E, N) or (N), and (N, D).

        Raises:
            Problem: an array has another shape, or holds what is not a finite number.
        """
        scores_EN = None if scores is None else _finite(np.atleast_2d(np.asarray(scores, float)), "scores")
        features_ND = None if features is None else _finite(np.asarray(features, float), "features")
        if scores_EN is not None and (scores_EN.ndim != 2 or scores_EN.shape[1] != size):
            raise Problem(
                f"scores of the shape {scores_EN.shape} for {size} questions", mend="give (models, questions)"
            )
        if features_ND is not None and (features_ND.ndim != 2 or features_ND.shape[0] != size):
            raise Problem(
                f"features of the shape {features_ND.shape} for {size} questions", mend="give (questions, features)"
            )
        return cls(size, scores_EN, features_ND)

    def scores(self, policy: str, least: int = 1) -> Floats:
        """The scores, for a policy that needs them from `least` models or more.

        Raises:
            Problem: there are none, or of too few models.
        """
        if self.scores_EN is None or len(self.scores_EN) < least:
            models = "a reward model" if least == 1 else f"{least} or more reward models"
            raise Problem(
                f"the selection policy {policy} needs the scores of {models}", mend="use random, or train some"
            )
        return self.scores_EN

    def features(self, policy: str) -> Floats:
        """The features, for a policy that needs them.

        Raises:
            Problem: there are none.
        """
        if self.features_ND is None:
            raise Problem(f"the selection policy {policy} needs features", mend="use random, or give features")
        return self.features_ND


Policy = Callable[[Evidence, int], Floats]
"""(what is known, budget below N) -> the probability of each question to be chosen, (N,), which sum to the budget."""


def top(values_N: Floats, budget: int) -> Floats:
    """Probability 1 for the `budget` highest values; those that tie at the edge share what is left evenly."""
    if budget <= 0:
        return np.zeros(len(values_N))
    edge = np.partition(values_N, -budget)[-budget]
    above, level = values_N > edge, values_N == edge
    return np.where(above, 1.0, np.where(level, (budget - above.sum()) / level.sum(), 0.0))


def _finite(values: Floats, name: str) -> Floats:
    if not np.isfinite(values).all():
        raise Problem(f"the {name} hold what is not a finite number", mend="leave those questions out")
    return values
