"""Proximal policy optimisation with a critic, as RLHF uses it.

Papers: Schulman et al. 2017, "Proximal Policy Optimization Algorithms" (equation 7, clipped surrogate);
Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation";
Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences" (value clip, whitening, constants).

Deviations from the 2019 code: advantages are whitened once over the batch, not in every minibatch (with one
minibatch, the 2019 setting, both are the same); reward whitening is off, as Huang et al. 2024 ("The N+
Implementation Details of RLHF with PPO") found it to shorten answers. Losses are means over tokens, as in 2019,
unless `average="sequence"` gives short and long completions the same weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from heedful.learning.advantages import by_critic, whiten
from heedful.learning.surrogates import (
    averaged,
    clipped_surrogate,
    critic_values,
    log_ratio,
    observe,
    value_loss,
)
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


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
    """Weight of the bonus for entropy (averaged as the loss is)."""
    average: Literal["token", "sequence"] = "token"
    """Whether every token counts the same in the loss, or every completion."""
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

    needs_critic: ClassVar[bool] = True

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT) by GAE; returns come from advantages that are not yet whitened."""
        advantages_BT, returns_BT = by_critic(
            rollouts, "PPO", gamma=self.gamma, lam=self.lam, whiten_rewards=self.whiten_rewards
        )
        if self.whiten_advantages:
            advantages_BT = whiten(advantages_BT, rollouts.mask_BT)
        return advantages_BT, returns_BT

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): how the loss averages over tokens."""
        return averaged(x_BT, mask_BT, self.average)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """Policy loss + value_coefficient * value loss - entropy_coefficient * entropy."""
        mask_BT = rollouts.mask_BT
        values_BT, old_values_BT = critic_values(evaluation, "PPO"), critic_values(rollouts, "PPO")
        policy_BT, metrics = clipped_surrogate(
            log_ratio(evaluation, rollouts), advantages_BT, mask_BT, self.clip, self.clip
        )
        value_BT = value_loss(values_BT, old_values_BT, returns_BT, mask_BT, self.value_clip)
        loss_BT = policy_BT + self.value_coefficient * value_BT - self.entropy_coefficient * evaluation.entropy_BT
        loss_sum, count = self.averaged(loss_BT, mask_BT)
        observed = {
            **observe(evaluation, rollouts),
            **metrics,
            "policy_loss": self.averaged(policy_BT, mask_BT),
            "value_loss": (value_BT.sum(), mask_BT.sum()),
        }
        return loss_sum, count, observed

    update = by_gradient
