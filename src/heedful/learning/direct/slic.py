"""SLiC-HF: a hinge holds the preferred completion's log-probability a margin above the other's.

Paper: Zhao et al. 2023, "SLiC-HF: Sequence Likelihood Calibration with Human Feedback", equation 1:
max(0, delta - log pi(w) + log pi(l)) - lambda log pi(y_ref). Log-probabilities are of whole completions; there is no
reference model, the second term keeps the policy in place.

Deviations: y_ref, the text of supervised fine-tuning, is the preferred completion here, because comparisons come
without one; the authors' "SLiC-HF-direct" has the same pairs. The margin is wider than their 1, see `delta`. Additions:
soft targets and weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.direct.pairs import Pairs, Side, imitation, observe, pooled, positive
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class SLiC:
    """A hinge on log-probabilities, with imitation as the brake; needs no reference."""

    delta: float = 20.0
    """By how many nats the preferred completion should be the more probable one. Longer ones are less probable by many
    nats: under a smaller margin only those pairs count whose preferred completion is the longer, and answers grow."""
    imitation_weight: float = 0.1
    """The paper's lambda: weight of -log pi of the preferred completion; 0 leaves it out."""
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("delta", self.delta)
        if not 0 <= self.imitation_weight < float("inf"):
            raise Problem(f"imitation_weight is {self.imitation_weight}", mend="let it be 0 or above")

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: log pi of the whole completion."""
        return side.logprobs_N

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """w [max(0, delta - gap) - lambda log pi of the preferred side] of each vote, summed; count: the weights."""
        a_N, b_N = self.rewards(pairs.a), self.rewards(pairs.b)
        total, count = pooled(lambda gap_N: torch.relu(self.delta - gap_N), a_N - b_N, pairs)
        if self.imitation_weight:
            total = total + self.imitation_weight * imitation(a_N, b_N, pairs)
        return total, count, observe(a_N, b_N, pairs.target_N)
