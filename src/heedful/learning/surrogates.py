"""Parts of which policy losses are composed: ratios, the clipped surrogate, the clipped value loss, means.

Each works on (B, T) tokens or, with the token dimension summed away, on (B,) sequences; X stands for either.
Masked positions give 0 and no gradient, whatever they hold.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.rollouts import Evaluation, Metrics, Rollouts

Average = Literal["token", "sequence", "sum", "constant"]
"""What counts the same in a mean: every token; every completion, by the mean of its tokens; every completion, by
their sum; every completion, by their sum over a constant."""


def log_ratio(evaluation: Evaluation, rollouts: Rollouts) -> Tensor:
    """(B, T): log pi - log pi_old, 0 where masked; exactly 0 everywhere until the first optimiser step."""
    return masks.kept(evaluation.logprobs_BT - rollouts.logprobs_BT, rollouts.mask_BT)


def clipped_surrogate(
    log_ratio_X: Tensor, advantages_X: Tensor, mask_X: Tensor, low: float, high: float
) -> tuple[Tensor, Metrics]:
    """loss_X = max(-A ratio, -A clip(ratio, 1 - low, 1 + high)) (Schulman et al. 2017, equation 7, sign turned).

    Returns:
        (loss_X, metrics clip_fraction, ratio_mean, ratio_variance, ratio_max).
    """
    ratio_X = torch.exp(masks.kept(log_ratio_X, mask_X))
    advantages_X = masks.kept(advantages_X, mask_X)
    free_X = -advantages_X * ratio_X
    clipped_X = -advantages_X * ratio_X.clamp(1 - low, 1 + high)
    count = mask_X.sum()
    metrics = {
        "clip_fraction": (masks.kept((clipped_X > free_X).to(ratio_X.dtype), mask_X).sum(), count),
        "ratio_mean": (masks.kept(ratio_X, mask_X).sum(), count),
        "ratio_variance": (masks.kept((ratio_X - 1) ** 2, mask_X).sum(), count),
        "ratio_max": (masks.kept(ratio_X, mask_X).max(), count),
    }
    return masks.kept(torch.maximum(free_X, clipped_X), mask_X), metrics


def value_loss(values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, mask_BT: Tensor, clip: float) -> Tensor:
    """loss_BT = max((V - R)^2, (V_clipped - R)^2) / 2, V_clipped within `clip` of the old value.

    The clipped value loss of the 2019 code of Ziegler et al. (not in the PPO paper); `clip` 0 turns it off.
    """
    error_BT = masks.kept(values_BT - returns_BT, mask_BT) ** 2
    if clip == 0:
        return error_BT / 2
    clipped_BT = torch.clamp(values_BT, old_values_BT - clip, old_values_BT + clip)
    return torch.maximum(error_BT, masks.kept(clipped_BT - returns_BT, mask_BT) ** 2) / 2


def averaged(x_BT: Tensor, mask_BT: Tensor, average: Average, constant_tokens: int = 0) -> tuple[Tensor, Tensor]:
    """(sum, count) whose quotient is the mean of `x_BT` under the mask; rows without a token do not count.

    Args:
        average: what counts the same, see `Average`.
        constant_tokens: what "constant" divides every completion's sum by.
    """
    sequences = mask_BT.any(1).sum()
    match average:
        case "token":
            return masks.kept(x_BT, mask_BT).sum(), mask_BT.sum()
        case "sequence":
            return masks.row_means(x_BT, mask_BT).sum(), sequences
        case "sum":
            return masks.kept(x_BT, mask_BT).sum(), sequences
        case "constant":
            return masks.kept(x_BT, mask_BT).sum() / constant_tokens, sequences


def observe(evaluation: Evaluation, rollouts: Rollouts) -> Metrics:
    """What every update observes of the policy: entropy and approx_kl, per token."""
    mask_BT = rollouts.mask_BT
    drift_BT = log_ratio(evaluation, rollouts) ** 2 / 2
    return {
        "entropy": (masks.kept(evaluation.entropy_BT, mask_BT).sum(), mask_BT.sum()),
        "approx_kl": (drift_BT.sum(), mask_BT.sum()),
    }


def needed(tensor: Tensor | None, algorithm: str, what: str, mend: str) -> Tensor:
    """`tensor`, or a `Problem` that says what the algorithm lacks."""
    if tensor is None:
        raise Problem(f"{algorithm} needs {what}, and the rollouts have none", mend=mend)
    return tensor


def critic_values(found: Evaluation | Rollouts, algorithm: str) -> Tensor:
    """values_BT, or a `Problem` that says how to get a critic."""
    mend = "train with a critic (a value head), or choose an algorithm without one: rloo, grpo, reinforce"
    return needed(found.values_BT, algorithm, "the critic's values", mend)


def rewards_of(rollouts: Rollouts, algorithm: str) -> Tensor:
    """rewards_BT, or a `Problem` that says they are missing."""
    return needed(rollouts.rewards_BT, algorithm, "rewards", "attach rewards_BT to the rollouts")
