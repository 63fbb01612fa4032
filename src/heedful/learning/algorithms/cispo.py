"""CISPO: the importance weight is clipped and held constant, so that no token ever loses its gradient.

Paper: MiniMax 2025, "MiniMax-M1" (equations 4 and 5). Where PPO's clipping silences a token whose ratio has left
the range, here every token keeps the gradient of REINFORCE, with a weight that is bounded:

    loss = -stop_gradient(clip(pi / pi_old, 1 - low, 1 + high)) * A * log pi

averaged over all tokens of the batch. Advantages are GRPO's. Deviations: the paper tunes the upper bound and does
not print it; 1 + high = 5 here is the weight that Khatri et al. 2025 ("The Art of Scaling Reinforcement Learning
Compute for LLMs") work with. As in the paper there is no lower bound unless one is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import by_group, standardise_in_group
from heedful.learning.surrogates import averaged, log_ratio, observe
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class CISPO:
    """Policy gradient with bounded importance weights, without a critic; needs several completions per prompt."""

    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 4
    """Optimiser steps per pass. With a single step every weight is 1."""
    clip: float = 1.0
    """How far a token's weight may fall below 1; 1 for no bound, since weights are never negative."""
    clip_high: float = 4.0
    """How far it may rise above 1."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (per token)."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""
    needs_critic: ClassVar[bool] = False

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): GRPO's, the completion's standing in its group."""
        return by_group(rollouts, "CISPO", standardise_in_group)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every token counts the same."""
        return averaged(x_BT, mask_BT, "token")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-weight * A * log pi, summed over tokens; the count is their number."""
        mask_BT = rollouts.mask_BT
        ratio_BT = torch.exp(log_ratio(evaluation, rollouts)).detach()
        weight_BT = ratio_BT.clamp(1 - self.clip, 1 + self.clip_high)
        policy_sum, count = self.averaged(-weight_BT * advantages_BT * evaluation.logprobs_BT, mask_BT)
        bonus_sum, _ = self.averaged(evaluation.entropy_BT, mask_BT)
        loss_sum = policy_sum - self.entropy_coefficient * bonus_sum
        observed = {
            **observe(evaluation, rollouts),
            "clip_fraction": self.averaged((weight_BT != ratio_BT).to(ratio_BT.dtype), mask_BT),
            "ratio_mean": self.averaged(ratio_BT, mask_BT),
            "ratio_variance": self.averaged((ratio_BT - 1) ** 2, mask_BT),
            "ratio_max": (masks.kept(ratio_BT, mask_BT).max(), count),
            "policy_loss": (policy_sum, count),
        }
        return loss_sum, count, observed

    update = by_gradient
