"""SimPO: the reward is the mean log-probability of a token, and a pair must differ by a margin; no reference.

Paper: Meng et al. 2024, "SimPO: Simple Preference Optimization with a Reference-Free Reward", equation 6:
-log sigmoid(beta log pi(w) / |w| - beta log pi(l) / |l| - gamma). It is Bradley-Terry with a margin, and that is how
it is computed here.

Additions: soft targets, weights, and the comparisons' own margins on top of gamma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from heedful.learning.direct.pairs import Pairs, Side, observe, positive
from heedful.learning.preference import bradley_terry
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class SimPO:
    """Bradley-Terry with a margin on mean log-probabilities; needs no reference."""

    beta: float = 2.0
    """Scale of the mean log-probability."""
    gamma: float = 1.0
    """By how much the preferred side's reward should exceed the other's."""
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("beta", self.beta)

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: beta log pi per token."""
        return self.beta * side.mean_logprobs()

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """-w [t log sigmoid(r_a - r_b - gamma) + (1 - t) log sigmoid(r_b - r_a - gamma)], summed."""
        a_N, b_N = self.rewards(pairs.a), self.rewards(pairs.b)
        gamma_N = torch.full_like(a_N, self.gamma)
        margin_N = gamma_N if pairs.margin_N is None else gamma_N + pairs.margin_N.to(a_N.dtype)
        total, count = bradley_terry(a_N, b_N, pairs.target_N, pairs.weight_N, margin_N)
        return total, count, observe(a_N, b_N, pairs.target_N)
