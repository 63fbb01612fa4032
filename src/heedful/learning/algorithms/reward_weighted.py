"""Reward-weighted regression, online: imitate yourself, the more the better it went.

Papers: Peters and Schaal 2007, "Reinforcement Learning by Reward-Weighted Regression for Operational Space Control";
Peng et al. 2019, "Advantage-Weighted Regression" (arXiv:1910.00177). The weights are those of the offline form
(`heedful.learning.offline.reward_weighted`), of fresh samples in place of logged ones. On samples of pi_old the
optimum is pi_old exp(r / beta) / Z, a step that costs beta * KL(pi || pi_old); nothing is ever pushed *down*.
Deviation: weights are scaled to mean 1 over a batch's tokens, so that a learning rate means the same at every beta.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import over_tokens
from heedful.learning.offline.reward_weighted import reward_weights
from heedful.learning.surrogates import averaged, observe, rewards_of
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class RewardWeighted:
    """Imitate each completion by the exponential of how good it was; needs several completions per prompt."""

    beta: float = 1.0
    """Temperature in units of the reward: small for the best alone, large for all alike."""
    largest_weight: float = 20.0
    """Weights are cut there; 1 is the weight of a completion as good as the mean of its prompt's."""
    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""
    needs_critic: ClassVar[bool] = False

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's weight and its reward, at each of its tokens."""
        mask_BT = rollouts.mask_BT
        rewards_B = masks.kept(rewards_of(rollouts, "RewardWeighted"), mask_BT).sum(1)
        weights_B = reward_weights(rewards_B, rollouts.group_B, self.beta, self.largest_weight)
        weights_BT = over_tokens(weights_B, mask_BT)
        return weights_BT / masks.mean(weights_BT, mask_BT), over_tokens(rewards_B, mask_BT)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every token counts the same."""
        return averaged(x_BT, mask_BT, "token")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-weight log pi, summed over tokens; the count is theirs."""
        loss_sum, count = self.averaged(-advantages_BT * evaluation.logprobs_BT, rollouts.mask_BT)
        return loss_sum, count, {**observe(evaluation, rollouts), "policy_loss": (loss_sum, count)}

    update = by_gradient
