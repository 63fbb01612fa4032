"""Group relative policy optimisation: completions are compared with their siblings, tokens are clipped.

Paper: Shao et al. 2024, "DeepSeekMath" (equations 3 and 4, outcome supervision). `dr_grpo` below is the variant of
Liu et al. 2025; DAPO, GSPO and CISPO, which change more than a setting, have their own files.

The KL term stands in the loss, not in the reward. Its true gradient depends on the estimator: the paper's k3
descends KL(pi_ref || pi), the *forward* KL, whose optimum is not the exponentially tilted reference; k2
descends KL(pi || pi_ref), the reverse KL of RLHF (see `heedful.learning.kl`). Both hold for samples of the
present policy. Leave the coefficient at 0 when the rewards already carry the KL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import by_group, centre_in_group, standardise_in_group
from heedful.learning.regularisers import KLInLoss
from heedful.learning.surrogates import averaged, clipped_surrogate, log_ratio, observe
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
    needs_critic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.average == "constant" and self.constant_tokens < 1:
            raise Problem(
                'average="constant" needs the number of tokens to divide by',
                where='setting "constant_tokens" of GRPO',
                mend="set it to the length limit of completions",
            )

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's standing in its group and its reward, at each token."""
        return by_group(rollouts, "GRPO", standardise_in_group if self.standardise else centre_in_group)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): how the loss averages over tokens."""
        return averaged(x_BT, mask_BT, self.average, self.constant_tokens)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """Clipped surrogate + kl_coefficient * KL estimator, averaged over tokens as `average` says."""
        mask_BT = rollouts.mask_BT
        high = self.clip if self.clip_high is None else self.clip_high
        policy_BT, metrics = clipped_surrogate(log_ratio(evaluation, rollouts), advantages_BT, mask_BT, self.clip, high)
        policy_sum, count = self.averaged(policy_BT, mask_BT)
        bonus_sum, _ = self.averaged(evaluation.entropy_BT, mask_BT)
        loss_sum = policy_sum - self.entropy_coefficient * bonus_sum
        observed = {**observe(evaluation, rollouts), **metrics, "policy_loss": (policy_sum, count)}
        if self.kl_coefficient:
            kl_BT = KLInLoss(self.kl_coefficient, self.kl_estimator)(evaluation, rollouts)
            kl_sum, _ = self.averaged(kl_BT, mask_BT)
            loss_sum = loss_sum + self.kl_coefficient * kl_sum
            observed["kl_loss"] = (kl_sum, count)
        return loss_sum, count, observed

    update = by_gradient


def dr_grpo(limit_tokens: int = 64) -> GRPO:
    """GRPO without its two biases (Liu et al. 2025, "Understanding R1-Zero-Like Training", "Dr. GRPO").

    Advantages are not divided by the deviation, which would weigh prompts by how much their rewards agree; a
    completion's sum is divided by a constant, not by its length, which would make long wrong answers cheap.

    Args:
        limit_tokens: that constant, the length limit of completions.
    """
    return GRPO(standardise=False, average="constant", constant_tokens=limit_tokens)
