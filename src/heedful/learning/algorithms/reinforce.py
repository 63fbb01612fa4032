"""REINFORCE: the plain policy gradient, one step per batch.

Paper: Williams 1992, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
Learning" (the episodic form, with a reinforcement baseline). Every token is credited with the reward to go.
Deviation: the baseline is the mean of the batch, not a running mean, so that nothing has to be remembered
between steps; that a sample is part of its own baseline shortens the gradient by about 1 part in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import reward_to_go
from heedful.learning.surrogates import averaged, observe, rewards_of
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class REINFORCE:
    """The plain policy gradient; needs neither a critic nor groups."""

    baseline: Literal["batch", "none"] = "batch"
    """What is subtracted from the reward to go: its mean over the tokens of the batch, or nothing."""
    scale: bool = False
    """Divide a batch's advantages by their standard deviation."""
    gamma: float = 1.0
    """Discount per token."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (summed over a completion's tokens)."""
    needs_critic: ClassVar[bool] = False
    epochs: ClassVar[int] = 1
    minibatches: ClassVar[int] = 1
    approx_kl_limit: ClassVar[float | None] = None

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): reward to go, with and without the baseline."""
        mask_BT = rollouts.mask_BT
        rewards_BT = rewards_of(rollouts, "REINFORCE")
        returns_BT = reward_to_go(rewards_BT, mask_BT, self.gamma)
        advantages_BT = returns_BT
        if self.baseline == "batch":
            advantages_BT = masks.kept(advantages_BT - masks.mean(advantages_BT, mask_BT), mask_BT)
        if self.scale:
            advantages_BT = advantages_BT * torch.rsqrt(masks.variance(advantages_BT, mask_BT) + 1e-8)
        return advantages_BT, returns_BT

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): sums over completions, averaged over the completions."""
        return averaged(x_BT, mask_BT, "sum")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-A log pi, summed over tokens; the count is the number of sequences."""
        mask_BT = rollouts.mask_BT
        policy_sum, count = self.averaged(-advantages_BT * evaluation.logprobs_BT, mask_BT)
        bonus_sum, _ = self.averaged(evaluation.entropy_BT, mask_BT)
        loss_sum = policy_sum - self.entropy_coefficient * bonus_sum
        return loss_sum, count, {**observe(evaluation, rollouts), "policy_loss": (policy_sum, count)}

    update = by_gradient
