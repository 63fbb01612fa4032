"""REINFORCE leave-one-out: each completion's baseline is the mean of its siblings.

Paper: Ahmadian et al. 2024, "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human
Feedback" (equation 8); the baseline is Kool et al. 2019, "Buy 4 REINFORCE Samples, Get a Baseline for Free!".

The whole completion is one action: its reward is the sum of the shaped rewards (score and KL), its
log-probability the sum over tokens. Deviation: the ratio of the sequence is clipped as in PPO, which changes
nothing at the first step of a batch (the gradient there is exactly REINFORCE's) and allows several.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import leave_one_out, over_tokens
from heedful.learning.surrogates import clipped_surrogate, log_ratio, needed, observe
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

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's advantage and its reward, at each of its tokens."""
        rewards_BT = needed(rollouts.rewards_BT, "RLOO", "rewards", "attach rewards_BT to the rollouts")
        rewards_B = masks.kept(rewards_BT, rollouts.mask_BT).sum(1)
        advantages_B = leave_one_out(rewards_B, rollouts.group_B)
        return over_tokens(advantages_B, rollouts.mask_BT), over_tokens(rewards_B, rollouts.mask_BT)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The clipped surrogate of whole completions, summed over them; the count is their number."""
        real_B = rollouts.mask_BT.any(1)
        lengths_B = rollouts.mask_BT.sum(1).clamp(min=1)
        advantages_B = masks.kept(advantages_BT, rollouts.mask_BT).sum(1) / lengths_B
        policy_B, metrics = clipped_surrogate(
            log_ratio(evaluation, rollouts).sum(1), advantages_B, real_B, self.clip, self.clip
        )
        bonus_B = masks.kept(evaluation.entropy_BT, rollouts.mask_BT).sum(1)
        loss_sum = policy_B.sum() - self.entropy_coefficient * bonus_B.sum()
        observed = {**observe(evaluation, rollouts), **metrics, "policy_loss": (policy_B.sum(), real_B.sum())}
        return loss_sum, real_B.sum(), observed

    update = by_gradient
