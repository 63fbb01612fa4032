"""Group sequence policy optimisation: the whole completion is clipped, by its length-normalised ratio.

Paper: Zheng et al. 2025, "Group Sequence Policy Optimization" (equations 5 to 7). The ratio of a completion is

    s = (pi(y) / pi_old(y)) ^ (1 / |y|) = exp(mean over tokens of log pi - log pi_old)

so its logarithm is a mean, not RLOO's sum: it moves about |y| times less, which is why its clipping range is so
narrow. Advantages are GRPO's. Deviations: none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.learning import masks
from heedful.learning.advantages import by_group, standardise_in_group
from heedful.learning.surrogates import averaged, clipped_surrogate, log_ratio, observe
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts


@dataclass(frozen=True)
class GSPO:
    """Clipped updates of whole completions, without a critic; needs several completions per prompt."""

    epochs: int = 1
    """Passes over each batch of rollouts."""
    minibatches: int = 4
    """Optimiser steps per pass. With a single step nothing is ever clipped."""
    clip: float = 3e-4
    """How far a completion's length-normalised ratio may fall below 1."""
    clip_high: float = 4e-4
    """How far it may rise above 1."""
    entropy_coefficient: float = 0.0
    """Weight of the bonus for entropy (averaged over each completion's tokens)."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""
    needs_critic: ClassVar[bool] = False

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): GRPO's, the completion's standing in its group."""
        return by_group(rollouts, "GSPO", standardise_in_group)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every completion counts the same, by the mean of its tokens."""
        return averaged(x_BT, mask_BT, "sequence")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """The clipped surrogate of length-normalised ratios, summed over completions; the count is their number."""
        mask_BT = rollouts.mask_BT
        policy_B, metrics = clipped_surrogate(
            masks.row_means(log_ratio(evaluation, rollouts), mask_BT),
            masks.row_means(advantages_BT, mask_BT),
            mask_BT.any(1),
            self.clip,
            self.clip_high,
        )
        bonus_sum, count = self.averaged(evaluation.entropy_BT, mask_BT)
        loss_sum = policy_B.sum() - self.entropy_coefficient * bonus_sum
        return loss_sum, count, {**observe(evaluation, rollouts), **metrics, "policy_loss": (policy_B.sum(), count)}

    update = by_gradient
