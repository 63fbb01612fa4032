"""Reward-weighted regression: imitate what was logged, the better the more.

Papers: Peters and Schaal 2007, "Reinforcement Learning by Reward-Weighted Regression for Operational Space Control";
Peng et al. 2019, "Advantage-Weighted Regression" (arXiv:1910.00177), equation 10, with their clip of the weights. The
optimum over all policies is the logging policy tilted by exp(reward / beta), the same as that of a KL leash with
coefficient beta.

Deviation: the baseline is the mean reward of the prompt's completions in the log, not a learned value. What is
common to a prompt's completions changes no optimum; it decides how much the prompts count beside each other.
"""

from __future__ import annotations

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.advantages import centre_in_group
from heedful.rollouts import Metrics


def reward_weights(rewards_N: Tensor, group_N: Tensor, beta: float, largest: float) -> Tensor:
    """weights_N = min(exp((r - mean of its prompt) / beta), largest).

    Args:
        rewards_N: of logged completions.
        group_N: number of each one's prompt.
        beta: temperature in units of the reward; small ones imitate the best only.
        largest: weights are cut there.

    Raises:
        Problem: beta is not positive.
    """
    if not beta > 0:
        raise Problem(f"beta is {beta:g}, it must be above 0", where='setting "beta"')
    return torch.exp(centre_in_group(rewards_N, group_N) / beta).clamp(max=largest)


def weighted_imitation(logprobs_BT: Tensor, mask_BT: Tensor, weights_B: Tensor) -> tuple[Tensor, Tensor, Metrics]:
    """(sum over tokens of -w log pi, sum of w over tokens, metrics)."""
    weights_BT = masks.kept(weights_B[:, None].to(logprobs_BT.dtype).expand(mask_BT.shape), mask_BT)
    surprise_BT = -masks.kept(logprobs_BT, mask_BT)
    total = (weights_BT * surprise_BT).sum()
    return total, weights_BT.sum(), {"imitation_loss": (surprise_BT.sum(), mask_BT.sum())}
