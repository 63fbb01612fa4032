"""Ask where the models of an ensemble contradict each other most: the variance of their predicted preferences.

Christiano et al. 2017, Deep Reinforcement Learning from Human Preferences (arXiv 1706.03741), section 2.2.4.
"""

from __future__ import annotations

import numpy as np

from heedful.feedback.selection.evidence import Evidence, Floats, top


def by_disagreement(known: Evidence, budget: int) -> Floats:
    """Certainty for the `budget` questions where the predicted probabilities vary most between the models."""
    return top(chances(known.scores("disagreement", least=2)).var(axis=0), budget)


def chances(scores_EN: Floats) -> Floats:
    """The Bradley-Terry probability 1 / (1 + exp(-score)) of each score."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * scores_EN)))
