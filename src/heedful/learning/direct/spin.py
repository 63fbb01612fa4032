"""SPIN: a policy plays against its former self: people's answers are preferred to its own.

Paper: Chen et al. 2024, "Self-Play Fine-Tuning Converts Weak Language Models to Strong Language Models", equation 4.7
with the logistic loss. It is DPO on pairs (somebody's demonstration, the policy's own sample) with the policy of the
round before as reference, and that is how it is computed here. The next round begins from the policy of this one,
samples anew and takes it as reference; it ends where the policy's samples cannot be told from the demonstrations.

Trained to its minimum, a round gives pi = pi_before (people / pi_before)^(1 / beta) / Z. So beta 1 would arrive in one
round, and below 1/2 rounds that are trained to the end would swing ever wider: with the usual beta of 0.1, a round is
a few steps only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.errors import Problem
from heedful.learning.direct.dpo import DPO
from heedful.learning.direct.pairs import Pairs, Side, positive
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class SPIN:
    """DPO with demonstrations above the policy's own samples."""

    beta: float = 0.1
    """As in DPO; the paper's lambda."""
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("beta", self.beta)

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: beta (log pi - log pi of the round before)."""
        return DPO(self.beta).rewards(side)

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """-log sigmoid(r_demonstration - r_sample), summed; side a is the demonstration.

        Raises:
            Problem: side b is the preferred one somewhere.
        """
        if bool((pairs.target_N != 1).any()):
            raise Problem("spin learns from demonstrations", mend="let side a be the demonstration, with target 1")
        return DPO(self.beta)(pairs)
