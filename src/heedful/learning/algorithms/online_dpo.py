"""Online DPO: compare the policy's own fresh completions, and learn from the best and the worst of each prompt.

Paper: Guo et al. 2024, "Direct Language Model Alignment from Online AI Feedback" (OAIF), algorithm 1, with the loss of
Rafailov et al. 2023. The pairs always come from the policy of now, so that what is asked about is what it writes; who
compares (people, a reward model, a judge) is the reward's business.

Deviations: with more than two completions of a prompt, only the best and the worst are used; a prompt whose
completions are all worth the same is left out. Completions are ordered by their rewards without the KL leash, because
`beta` is the leash here: what the leash took is given back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.advantages import over_tokens
from heedful.learning.direct.dpo import DPO
from heedful.learning.direct.pairs import Pairs, Side, positive, share
from heedful.learning.kl import k1
from heedful.learning.surrogates import averaged, needed, observe
from heedful.learning.updates import by_gradient
from heedful.rollouts import Compute, Evaluation, Loss, Metrics, Policy, Rollouts, Stats


@dataclass(frozen=True)
class OnlineDPO:
    """DPO on the best and the worst of each prompt's completions; needs two or more of them."""

    beta: float = 0.1
    """How dear a nat of distance from the reference is: the smaller, the farther the policy goes."""
    label_smoothing: float = 0.0
    """The chance that the reward orders a pair wrongly; below one half."""
    epochs: int = 1
    """Passes over each batch of pairs."""
    minibatches: int = 1
    """Optimiser steps per pass."""
    approx_kl_limit: float | None = None
    """Leave out the rest of a batch's steps once its mean per-token approx_kl passes this."""
    needs_critic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("beta", self.beta)
        share("label_smoothing", self.label_smoothing)

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): 1 for the best of a prompt, -1 for the worst, 0 for others; its reward.

        Raises:
            Problem: there are no rewards or reference log-probabilities, or a prompt has one completion only.
        """
        rewards_B = unleashed(rollouts)
        side_B = torch.zeros_like(rewards_B)
        for rows in _groups(rollouts.group_B):
            if len(rows) < 2:
                raise Problem(
                    "online DPO compares completions of one prompt, and a prompt has only one",
                    mend="ask for two or more completions per prompt, or choose another algorithm",
                )
            best, worst = rows[int(rewards_B[rows].argmax())], rows[int(rewards_B[rows].argmin())]
            if rewards_B[best] > rewards_B[worst]:
                side_B[best], side_B[worst] = 1.0, -1.0
        return over_tokens(side_B, rollouts.mask_BT), over_tokens(rewards_B, rollouts.mask_BT)

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): sums over completions, averaged over the two of a pair and over the pairs."""
        total, sides = averaged(x_BT, mask_BT, "sum")
        return total / 2, sides / 2

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """DPO's loss; rows are pairs of neighbours, the better one first, as `update` lays them."""
        ref_BT = needed(rollouts.ref_logprobs_BT, "OnlineDPO", "a reference", "give the rollouts ref_logprobs_BT")
        logprobs_B = masks.kept(evaluation.logprobs_BT, rollouts.mask_BT).sum(1)
        ref_B = masks.kept(ref_BT, rollouts.mask_BT).sum(1)
        tokens_B = rollouts.mask_BT.sum(1)
        better, worse = (Side(logprobs_B[at::2], tokens_B[at::2], ref_B[at::2]) for at in (0, 1))
        pairs = Pairs(better, worse, torch.ones_like(better.logprobs_N))
        total, count, metrics = DPO(self.beta, self.label_smoothing)(pairs)
        return total, count, {**observe(evaluation, rollouts), **metrics, "policy_loss": (total, count)}

    def update(
        self,
        policy: Policy,
        compute: Compute,
        rollouts: Rollouts,
        advantages_BT: Tensor,
        returns_BT: Tensor,
        *,
        seed: int,
        learning_rate_scale: float = 1.0,
        loss: Loss | None = None,
    ) -> Stats:
        """Optimiser steps on the pairs, both sides of a pair always in the same piece.

        `tied_fraction` is the share of the prompts that were left out; where that is all of them, nothing is done.

        Raises:
            Problem: `compute.micro_batch` would tear a pair.
        """
        if compute.micro_batch % 2:
            raise Problem(
                f"micro_batch is {compute.micro_batch}, and online DPO forwards pairs",
                where='setting "micro_batch"',
                mend="make it even, or 0 for all at once",
            )
        side_B = masks.kept(advantages_BT, rollouts.mask_BT).sum(1).sign()
        found = [rows[torch.argsort(-side_B[rows])[[0, -1]]] for rows in _groups(rollouts.group_B)]
        kept = [rows for rows in found if side_B[rows[0]] > side_B[rows[1]]]
        tied = 1 - len(kept) / len(found)
        if not kept:
            return {"tied_fraction": tied}
        index_M = torch.cat(kept)
        stats = by_gradient(
            replace(self, minibatches=min(self.minibatches, len(kept))),
            policy,
            compute,
            rollouts.rows(index_M),
            advantages_BT[index_M],
            returns_BT[index_M],
            seed=seed,
            learning_rate_scale=learning_rate_scale,
            keep_groups=True,
            loss=loss,
        )
        return {**stats, "tied_fraction": tied}


def unleashed(rollouts: Rollouts) -> Tensor:
    """rewards_B: each completion's rewards, summed, with the price of its KL given back.

    Raises:
        Problem: the rollouts lack rewards, or a leash shaped them and the reference is missing.
    """
    mask_BT = rollouts.mask_BT
    rewards_BT = needed(rollouts.rewards_BT, "OnlineDPO", "rewards", "attach rewards_BT to the rollouts")
    rewards_B = masks.kept(rewards_BT, mask_BT).sum(1)
    coefficient_B = rollouts.extras.get("kl_coefficient_B")
    if coefficient_B is None:
        return rewards_B
    ref_BT = needed(rollouts.ref_logprobs_BT, "OnlineDPO", "a reference", "give the rollouts ref_logprobs_BT")
    return rewards_B + coefficient_B * masks.kept(k1(rollouts.logprobs_BT, ref_BT), mask_BT).sum(1)


def _groups(group_B: Tensor) -> list[Tensor]:
    """Row numbers of each group."""
    return [(group_B == group).nonzero()[:, 0] for group in torch.unique(group_B)]
