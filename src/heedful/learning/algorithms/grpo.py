"""Group relative policy optimisation: completions are compared with their siblings, tokens are clipped.

Paper: Shao et al. 2024, "DeepSeekMath" (equations 3 and 4, outcome supervision). Variants by setting:
Liu et al. 2025, "Understanding R1-Zero-Like Training" (Dr. GRPO: `standardise=False, average="constant"`);
Yu et al. 2025, "DAPO" (`average="token"`, `clip_high=0.28`).

The KL term stands in the loss, not in the reward. Its true gradient depends on the estimator: the paper's k3
descends KL(pi_ref || pi), the *forward* KL, whose optimum is not the exponentially tilted reference; k2
descends KL(pi || pi_ref), the reverse KL of RLHF (see `heedful.learning.kl`). Both hold for samples of the
present policy. Leave the coefficient at 0 when the rewards already carry the KL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.advantages import centre_in_group, over_tokens, standardise_in_group
from heedful.learning.kl import k2, k3
from heedful.learning.surrogates import clipped_surrogate, log_ratio, needed, observe
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class GRPO:
    """Clipped policy updates without a critic; needs several completions per prompt."""

    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    clip: float = 0.2
    """How far a token's probability ratio may fall below 1 (and rise above, unless `clip_high` is given)."""
    clip_high: float | None = None
    """How far it may rise above 1."""
    standardise: bool = True
    """Divide a group's advantages by their standard deviation, not only subtract the mean."""
    average: Literal["sequence", "token", "constant"] = "sequence"
    """Whether every completion counts the same, every token does, or sums are divided by `constant_tokens`."""
    constant_tokens: int = 0
    """For `average="constant"`: the length limit of completions, in tokens."""
    kl_coefficient: float = 0.0
    """Weight of the KL to the reference inside the loss."""
    kl_estimator: Literal["k2", "k3"] = "k3"
    """k3: the paper's, a forward KL. k2: the reverse KL."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (averaged as the loss is)."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""

    def __post_init__(self) -> None:
        if self.average == "constant" and self.constant_tokens < 1:
            raise Problem(
                'average="constant" needs the number of tokens to divide by',
                where='setting "constant_tokens" of GRPO',
                mend="set it to the length limit of completions",
            )

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's standing in its group and its reward, at each token."""
        rewards_BT = needed(rollouts.rewards_BT, "GRPO", "rewards", "attach rewards_BT to the rollouts")
        rewards_B = masks.kept(rewards_BT, rollouts.mask_BT).sum(1)
        relative = standardise_in_group if self.standardise else centre_in_group
        advantages_B = relative(rewards_B, rollouts.group_B)
        return over_tokens(advantages_B, rollouts.mask_BT), over_tokens(rewards_B, rollouts.mask_BT)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """Clipped surrogate + kl_coefficient * KL estimator, averaged over tokens as `average` says."""
        mask_BT = rollouts.mask_BT
        weight_BT, count = self._weights(mask_BT, evaluation.logprobs_BT.dtype)
        high = self.clip if self.clip_high is None else self.clip_high
        policy_BT, metrics = clipped_surrogate(log_ratio(evaluation, rollouts), advantages_BT, mask_BT, self.clip, high)
        policy_sum = (weight_BT * policy_BT).sum()
        bonus_sum = (weight_BT * masks.kept(evaluation.entropy_BT, mask_BT)).sum()
        loss_sum = policy_sum - self.entropy_coefficient * bonus_sum
        observed = {**observe(evaluation, rollouts), **metrics, "policy_loss": (policy_sum, count)}
        if self.kl_coefficient:
            ref_BT = needed(rollouts.ref_logprobs_BT, "GRPO", "a reference", "attach ref_logprobs_BT to the rollouts")
            gap_BT = masks.kept(evaluation.logprobs_BT - ref_BT, mask_BT)
            estimator = k3 if self.kl_estimator == "k3" else k2
            kl_sum = (weight_BT * estimator(gap_BT, torch.zeros_like(gap_BT))).sum()
            loss_sum = loss_sum + self.kl_coefficient * kl_sum
            observed["kl_loss"] = (kl_sum, count)
        return loss_sum, count, observed

    def _weights(self, mask_BT: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(weight_BT of each token in the sum, what the sum is divided by)."""
        lengths_B = mask_BT.sum(1)
        weight_BT, sequences = mask_BT.to(dtype), (lengths_B > 0).sum()
        match self.average:
            case "sequence":
                return weight_BT / lengths_B.clamp(min=1)[:, None], sequences
            case "token":
                return weight_BT, mask_BT.sum()
            case "constant":
                return weight_BT / self.constant_tokens, sequences

    update = by_gradient
