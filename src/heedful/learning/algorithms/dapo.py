"""DAPO: GRPO that clips higher, counts tokens, skips prompts without a difference and prices overlong answers.

Paper: Yu et al. 2025, "DAPO: An Open-Source LLM Reinforcement Learning System at Scale" (equations 8 to 13). Its four
changes to GRPO are the upper clip (0.28 against 0.2 below), the mean over all tokens, soft overlong punishment and
dynamic sampling. There is no KL term.

Deviation: dynamic sampling *leaves out* the prompts whose completions are all rewarded alike, it does not sample
others in their place. Such prompts have advantage 0 anyway; left out, they no longer thin the mean over tokens. Use
more prompts per step where many are left out (`informative_fraction` says how many are not).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import by_group, standardise_in_group
from heedful.learning.algorithms.grpo import GRPO
from heedful.learning.updates import by_gradient
from heedful.rollouts import Compute, Evaluation, Metrics, Policy, Rollouts, Stats


@dataclass(frozen=True)
class DAPO:
    """GRPO with a higher upper clip, without prompts that teach nothing; needs several completions per prompt."""

    grpo: GRPO = field(default_factory=lambda: GRPO(average="token", clip_high=0.28))
    """The clipped loss."""
    skip_equal_groups: bool = True
    """Leave out the completions of a prompt that are all rewarded alike."""
    limit_tokens: int = 0
    """The length limit of completions, for the price of overlong ones; 0 for no such price."""
    buffer_tokens: int = 0
    """So many tokens before the limit the price begins to rise, from 0 to 1 at the limit."""
    needs_critic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.limit_tokens and not 1 <= self.buffer_tokens <= self.limit_tokens:
            raise Problem(
                f"a buffer of {self.buffer_tokens} tokens does not fit before a limit of {self.limit_tokens}",
                where='setting "buffer_tokens" of DAPO',
                mend="the paper has a buffer of a fifth of the limit",
            )

    @property
    def epochs(self) -> int:
        """Passes over each batch of rollouts."""
        return self.grpo.epochs

    @property
    def minibatches(self) -> int:
        """Optimiser steps per pass."""
        return self.grpo.minibatches

    @property
    def approx_kl_limit(self) -> float | None:
        """See `GRPO.approx_kl_limit`."""
        return self.grpo.approx_kl_limit

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the completion's standing in its group, by rewards less the overlong price."""
        price_B = overlong_price(rollouts.mask_BT.sum(1), self.limit_tokens, self.buffer_tokens)
        return by_group(rollouts, "DAPO", standardise_in_group, bonus_B=-price_B)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): as GRPO averages."""
        return self.grpo.averaged(x_BT, mask_BT)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """GRPO's loss."""
        return self.grpo.loss(evaluation, rollouts, advantages_BT, returns_BT)

    def update(
        self,
        policy: Policy,
        compute: Compute,
        rollouts: Rollouts,
        advantages_BT: Tensor,
        returns_BT: Tensor,
        **how: Any,
    ) -> Stats:
        """`by_gradient` over the prompts that teach something; no step at all where there are none."""
        if not self.skip_equal_groups:
            return by_gradient(self, policy, compute, rollouts, advantages_BT, returns_BT, **how)
        informative_B = differing_groups(advantages_BT, rollouts.group_B)
        stats = {"informative_fraction": float(informative_B.double().mean())}
        if not bool(informative_B.any()):
            return {**stats, "early_stop": 1.0}
        index_M = informative_B.nonzero()[:, 0]
        chosen = (rollouts.rows(index_M), advantages_BT[index_M], returns_BT[index_M])
        return {**by_gradient(self, policy, compute, *chosen, **how), **stats}


def overlong_price(lengths_B: Tensor, limit_tokens: int, buffer_tokens: int) -> Tensor:
    """price_B in 0..1: 0 up to limit - buffer tokens, then rising evenly to 1 at the limit (equation 13, sign turned).

    A `limit_tokens` of 0 makes everything free.
    """
    if not limit_tokens:
        return torch.zeros(lengths_B.shape, device=lengths_B.device)
    return ((lengths_B - (limit_tokens - buffer_tokens)) / buffer_tokens).clamp(0, 1)


def differing_groups(advantages_BT: Tensor, group_B: Tensor) -> Tensor:
    """bool_B: whether any completion of the row's group has an advantage other than 0."""
    speaks_B = (advantages_BT != 0).any(1)
    return torch.isin(group_B, group_B[speaks_B])
