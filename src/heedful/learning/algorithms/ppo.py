"""Proximal policy optimisation with a critic, as RLHF uses it.

Papers: Schulman et al. 2017, "Proximal Policy Optimization Algorithms" (equation 7, clipped surrogate);
Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation";
Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences" (value clip, whitening, constants).

Deviations from the 2019 code: advantages are whitened once over the batch, not in every minibatch (with one
minibatch, the 2019 setting, both are the same); reward whitening is off, as Huang et al. 2024 ("The N+
Implementation Details of RLHF with PPO") found it to shorten answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import gae, whiten
from heedful.learning.surrogates import clipped_surrogate, log_ratio, needed, observe, value_loss
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts

_CRITIC = "train with a critic (a value head), or choose an algorithm without one: rloo, grpo, reinforce"


@dataclass(frozen=True)
class PPO:
    """Clipped policy updates against a learned critic."""

    epochs: int = 4
    """Passes over each batch of rollouts."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    clip: float = 0.2
    """How far a token's probability ratio may leave 1 before its gradient stops."""
    value_clip: float = 0.2
    """How far a new value may leave the old one in the critic's loss; 0 for no limit."""
    value_coefficient: float = 0.1
    """Weight of the critic's loss beside the policy's."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (per token)."""
    gamma: float = 1.0
    """Discount per token."""
    lam: float = 0.95
    """GAE's lambda: 0 trusts the critic, 1 trusts the sampled return."""
    whiten_advantages: bool = True
    """Scale a batch's advantages to mean 0 and variance 1."""
    whiten_rewards: bool = False
    """Scale a batch's rewards to variance 1, their mean kept, as in 2019."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT) by GAE; returns come from advantages that are not yet whitened."""
        rewards_BT = needed(rollouts.rewards_BT, "PPO", "rewards", "attach rewards_BT to the rollouts")
        values_BT = needed(rollouts.values_BT, "PPO", "the critic's values", _CRITIC)
        if self.whiten_rewards:
            rewards_BT = whiten(rewards_BT, rollouts.mask_BT, centre=False)
        last_values_B = rollouts.extras.get("last_values_B")
        advantages_BT, returns_BT = gae(
            rewards_BT, values_BT, rollouts.mask_BT, self.gamma, self.lam, last_values_B=last_values_B
        )
        if self.whiten_advantages:
            advantages_BT = whiten(advantages_BT, rollouts.mask_BT)
        return advantages_BT, returns_BT

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """Policy loss + value_coefficient * value loss - entropy_coefficient * entropy, summed over tokens."""
        mask_BT, count = rollouts.mask_BT, rollouts.mask_BT.sum()
        values_BT = needed(evaluation.values_BT, "PPO", "the critic's values", _CRITIC)
        old_values_BT = needed(rollouts.values_BT, "PPO", "the critic's values", _CRITIC)
        policy_BT, metrics = clipped_surrogate(
            log_ratio(evaluation, rollouts), advantages_BT, mask_BT, self.clip, self.clip
        )
        value_BT = value_loss(values_BT, old_values_BT, returns_BT, mask_BT, self.value_clip)
        bonus_BT = masks.kept(evaluation.entropy_BT, mask_BT)
        loss_BT = policy_BT + self.value_coefficient * value_BT - self.entropy_coefficient * bonus_BT
        return (
            loss_BT.sum(),
            count,
            {
                **observe(evaluation, rollouts),
                **metrics,
                "policy_loss": (policy_BT.sum(), count),
                "value_loss": (value_BT.sum(), count),
            },
        )

    update = by_gradient
