"""Best-of-n as an online algorithm: imitate the best completions of each prompt, and nothing else.

Papers: Touvron et al. 2023, "Llama 2" (section 3.2.3, rejection sampling, one round of it per step); Dong et al.
2023, "RAFT: Reward rAnked FineTuning for Generative Foundation Model Alignment". No advantage, no ratio, no
baseline: supervised learning on winners, which cannot be made worse by the size of the reward. Losers are not
even forwarded. `heedful reject` does the same in long rounds and remembers the winners of earlier ones.
Deviation: winners go by the shaped reward, so a KL leash counts where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.advantages import over_tokens
from heedful.learning.masks import kept
from heedful.learning.surrogates import averaged, observe, rewards_of
from heedful.learning.updates import by_gradient
from heedful.rollouts import Compute, Evaluation, Metrics, Policy, Rollouts, Stats


def winners(scores_B: Tensor, group_B: Tensor, keep: int = 1) -> Tensor:
    """won_B (bool): the `keep` highest scores of each group; the earlier one of equals."""
    by_score_B = scores_B.argsort(descending=True, stable=True)
    order_B = by_score_B[group_B[by_score_B].argsort(stable=True)]
    grouped_B = group_B[order_B]
    place_B = torch.arange(len(grouped_B), device=grouped_B.device)
    first_B = torch.cat([grouped_B.new_ones(1, dtype=torch.bool), grouped_B[1:] != grouped_B[:-1]])
    rank_B = place_B - torch.where(first_B, place_B, 0).cummax(0).values
    return torch.zeros_like(first_B).scatter(0, order_B, rank_B < keep)


@dataclass(frozen=True)
class BestOf:
    """Imitate the best of each prompt's completions."""

    keep: int = 1
    """How many completions of each prompt are imitated."""
    epochs: int = 1
    """Passes over the winners of each batch."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""
    needs_critic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise Problem(f"{self.keep} winners of each prompt teach nothing", where='setting "keep" of BestOf')

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): 1 at the winners' tokens, 0 elsewhere; the completion's reward."""
        mask_BT = rollouts.mask_BT
        rewards_B = kept(rewards_of(rollouts, "BestOf"), mask_BT).sum(1)
        won_B = winners(rewards_B, rollouts.group_B, self.keep)
        return over_tokens(won_B.to(rewards_B.dtype), mask_BT), over_tokens(rewards_B, mask_BT)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): every token counts the same."""
        return averaged(x_BT, mask_BT, "token")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-log pi summed over the winners' tokens; the count is their number."""
        loss_sum, count = self.averaged(-evaluation.logprobs_BT, rollouts.mask_BT & (advantages_BT > 0))
        return loss_sum, count, {**observe(evaluation, rollouts), "policy_loss": (loss_sum, count)}

    def update(
        self,
        policy: Policy,
        compute: Compute,
        rollouts: Rollouts,
        advantages_BT: Tensor,
        returns_BT: Tensor,
        **how: Any,
    ) -> Stats:
        """Optimiser steps on the winners alone; `how` as for `by_gradient`."""
        won_M = (advantages_BT > 0).any(1).nonzero()[:, 0]
        return by_gradient(
            self,
            policy,
            compute,
            rollouts.rows(won_M),
            advantages_BT[won_M],
            returns_BT[won_M],
            **how,
        )
