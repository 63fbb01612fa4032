"""REINFORCE leave-one-out: each completion's baseline is the mean of its siblings.

Paper: Ahmadian et al. 2024, "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human
Feedback" (equation 8); the baseline is Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!".

The whole completion is one action: its reward is the sum of the shaped rewards (score and KL), its
log-probability the sum over tokens. Deviation: the ratio of the sequence is clipped as in PPO, which changes
nothing at the first step of a batch (the gradient there is exactly REINFORCE's) and allows several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import by_group, leave_one_out
from heedful.learning.surrogates import averaged, clipped_surrogate, log_ratio, observe
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class RLOO:
    """Policy gradient without a critic; needs two or more completions per prompt."""

    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    clip: float = 0.2
    """How far a completion's probability ratio may leave 1 before its gradient stops."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (summed over a completion's tokens)."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""

    needs_critic: ClassVar[bool] = False

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's advantage and its reward, at each of its tokens."""
        return by_group(rollouts, "RLOO", leave_one_out)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): sums over completions, averaged over the completions."""
        return averaged(x_BT, mask_BT, "sum")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The clipped surrogate of whole completions, summed over them; the count is their number."""
        mask_BT = rollouts.mask_BT
        policy_B, metrics = clipped_surrogate(
            log_ratio(evaluation, rollouts).sum(1),
            masks.row_means(advantages_BT, mask_BT),
            mask_BT.any(1),
            self.clip,
            self.clip,
        )
        bonus_sum, count = self.averaged(evaluation.entropy_BT, mask_BT)
        loss_sum = policy_B.sum() - self.entropy_coefficient * bonus_sum
        return loss_sum, count, {**observe(evaluation, rollouts), **metrics, "policy_loss": (policy_B.sum(), count)}

    update = by_gradient
