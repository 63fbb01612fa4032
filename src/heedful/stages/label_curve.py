"""What more judgements would bring: the learning curve that `heedful reward` draws each time.

It is the curve of a linear head on what the frozen start model makes of the texts, not of the reward model: a head can
be fitted dozens of times in a moment. Where the head's curve still climbs, more judgements teach something; where it is
flat, the head has learnt what it can, which a whole reward model need not have.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from heedful.evaluation.learning_curve import halved, in_words, label_curve
from heedful.feedback.splits import group_of
from heedful.language.preferring import Encoded
from heedful.language.pretrained import LanguageModel
from heedful.reward.features import fit_head, pair_features
from heedful.seeds import generator
from heedful.stages.console import say

DRAWS = 4
"""Random subsets of each size."""


class Wanted(Protocol):
    """What of the settings of `heedful reward` counts here."""

    @property
    def holdout_by(self) -> str:
        """What hangs together: prompt, or a metadata column."""
        ...

    @property
    def seed(self) -> int:
        """Of the subsets."""
        ...


def learnt_from_fewer(policy: LanguageModel, to_learn: Encoded, to_examine: Encoded, wanted: Wanted) -> dict[str, Any]:
    """The learning curve, as a run's result keeps it, and said in one line; empty with too few comparisons.

    Args:
        policy: whose features are used; it stays as it is.
        to_learn: the comparisons that the reward model learnt from.
        to_examine: the held-out ones.
        wanted: settings.
    """
    known = len(to_learn.pairs)
    sizes = halved(known)
    if not sizes:
        return {}
    x_ND = pair_features(policy, [*to_learn.pairs, *to_examine.pairs])
    columns_2N = np.array([(pair.target, pair.weight) for pair in to_learn.pairs]).T
    orders = [generator(wanted.seed, "learning curve", draw).permutation(known) for draw in range(DRAWS)]
    deltas = []
    for size in sizes:
        parts = [order_N[:size] for order_N in (orders if size < known else orders[:1])]
        heads = [fit_head(x_ND[part], columns_2N[0, part], columns_2N[1, part]) for part in parts]
        deltas.append([x_ND[known:] @ weights_D for weights_D in heads])
    groups = [group_of(item, wanted.holdout_by) for item in to_examine.comparisons]
    found = asdict(label_curve(deltas, sizes, [pair.target for pair in to_examine.pairs], groups))
    say(f"With fewer comparisons, a linear head on the start model's features: {in_words(found)}.")
    return found
