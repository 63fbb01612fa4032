"""Ask what one model, drawn by chance, would ask: where it departs most from the mean of the ensemble.

Thompson 1933 (Biometrika 25): act as if one draw from the posterior were true. The ensemble stands for the posterior,
and each question is chosen with the probability that a random model would choose it; so the choice spreads over all
that any model doubts, where `disagreement` puts it all on what they doubt together.
"""

from __future__ import annotations

import numpy as np

from heedful.feedback.selection.disagreement import chances
from heedful.feedback.selection.evidence import Evidence, Floats, top


def by_thompson(known: Evidence, budget: int) -> Floats:
    """The share of the models that have a question among the `budget` where they differ most from the mean."""
    chances_EN = chances(known.scores("thompson", least=2))
    departures_EN = np.abs(chances_EN - chances_EN.mean(axis=0))
    return np.asarray(np.mean([top(one_N, budget) for one_N in departures_EN], axis=0))
