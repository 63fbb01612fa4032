"""Ask where it is least sure which side is better: the margin nearest to zero that the models think possible.

With an ensemble, the mean difference of scores less 1.96 standard deviations between the models: the straddle rule of
Bryan et al. 2005, Active Learning for Identifying Function Level Boundaries (NIPS 18), section 3. With one model it is
plain uncertainty sampling (Lewis & Gale 1994), which also asks about pairs between which there is nothing to see, and
can do worse than chance.
"""

from __future__ import annotations

import numpy as np

from heedful.feedback.selection.evidence import Evidence, Floats, top

Z95 = 1.959963984540054


def by_margin(known: Evidence, budget: int) -> Floats:
    """Certainty for the `budget` questions with the smallest |mean| - 1.96 standard deviations of their scores."""
    scores_EN = known.scores("margin")
    return top(Z95 * scores_EN.std(axis=0) - np.abs(scores_EN.mean(axis=0)), budget)
