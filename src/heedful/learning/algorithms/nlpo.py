"""Natural language policy optimisation: PPO over the tokens that a former self thought likely.

Paper: Ramamurthy et al. 2023, "Is Reinforcement Learning (Not) for Natural Language Processing" (algorithm 1). A
copy of the policy, refreshed every `refresh_every` updates, masks the policy: only tokens in the copy's nucleus
(top-p) or among its top-k may be written. The masked policy is the policy: completions are sampled from it, and old
and new log-probabilities are both taken under the mask, so that the first ratio is one. The KL in the reward is that
of the bare, unmasked log-probabilities, as in the authors' code. With top_p 1 and top_k 0 nothing is masked and it
is PPO, bit for bit.

The mask belongs to the policy, not to the loss: `rule` makes the function that sampler and policy apply, and whoever
collects refreshes the copy before the steps 0, refresh_every, 2 * refresh_every ... (`refresh_due`). Deviations: none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.algorithms.ppo import PPO
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, LogitRule, Metrics, Rollouts

FORBIDDEN = -1e9
"""The logit of a token that may not be written: its probability is 0, its entropy and gradients are not NaN."""


@dataclass(frozen=True)
class NLPO:
    """PPO over the likely tokens of a copy of the policy that lags behind."""

    ppo: PPO = field(default_factory=PPO)
    """The update under the mask."""
    top_p: float = 0.9
    """Only the smallest set of tokens with at least this probability under the copy (1: all tokens)."""
    top_k: int = 0
    """Only this many most probable tokens of the copy (0: all tokens)."""
    refresh_every: int = 5
    """Updates between two refreshes of the copy."""
    needs_critic: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.top_p <= 1 or self.top_k < 0 or self.refresh_every < 1:
            raise Problem(
                f"top_p {self.top_p}, top_k {self.top_k} and refresh_every {self.refresh_every} make no mask",
                where="settings of NLPO",
                mend="top_p lies above 0 and up to 1, top_k is 0 or more, refresh_every 1 or more",
            )

    @property
    def epochs(self) -> int:
        """Passes over each batch of rollouts."""
        return self.ppo.epochs

    @property
    def minibatches(self) -> int:
        """Optimiser steps per pass."""
        return self.ppo.minibatches

    @property
    def approx_kl_limit(self) -> float | None:
        """See `PPO.approx_kl_limit`."""
        return self.ppo.approx_kl_limit

    def rule(self, always: Collection[int]) -> LogitRule:
        """The mask as sampler and policy apply it; the tokens `always` (those that stop, at least) are never masked."""

        def masked(logits_XV: Tensor, guide_logits_XV: Tensor) -> Tensor:
            if self.top_p == 1 and not self.top_k:
                return logits_XV
            allowed_XV = likely(guide_logits_XV, self.top_p, self.top_k)
            allowed_XV[..., list(always)] = True
            return torch.where(allowed_XV, logits_XV, FORBIDDEN)

        return masked

    def refresh_due(self, step: int) -> bool:
        """Whether the copy becomes the present policy before this step (from 0) is collected."""
        return step % self.refresh_every == 0

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """PPO's."""
        return self.ppo.credit(rollouts)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): as PPO averages."""
        return self.ppo.averaged(x_BT, mask_BT)

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """PPO's, of log-probabilities under the mask."""
        return self.ppo.loss(evaluation, rollouts, advantages_BT, returns_BT)

    update = by_gradient


def likely(logits_XV: Tensor, top_p: float, top_k: int) -> Tensor:
    """bool_XV: the smallest set with probability top_p or more, cut to the top_k; the likeliest token always stays.

    The nucleus of Holtzman et al. 2019 (arXiv:1904.09751); of equal tokens the one with the smaller number comes first.
    """
    ordered_XV, order_XV = logits_XV.float().softmax(-1).sort(dim=-1, descending=True, stable=True)
    before_XV = ordered_XV.cumsum(-1) - ordered_XV
    keep_XV = (before_XV < top_p) | torch.full_like(before_XV, top_p == 1, dtype=torch.bool)
    if top_k:
        keep_XV[..., top_k:] = False
    keep_XV[..., 0] = True
    return torch.zeros_like(keep_XV).scatter(-1, order_XV, keep_XV)
