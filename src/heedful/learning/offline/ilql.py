"""Implicit language Q-learning: the best of what was logged, without sampling and without a scorer in training.

Paper: Snell, Kostrikov, Su, Yang and Levine 2023, "Offline RL for Natural Language Generation with Implicit Language
Q Learning" (arXiv:2206.11871), section 4.2; the expectile is that of Kostrikov et al. 2022 (arXiv:2110.06169),
equation 5, the conservative term that of Kumar et al. 2020 (arXiv:2006.04779). Defaults are those that a public
re-implementation (trlX) uses for walks on a graph.

Deviations: the policy that the decoding starts from is imitated with weights exp(awac_beta (Q - V)); at 0, the
default, this is plain imitation as in the paper. The paper trains it apart, here it shares the trunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.offline.successors import value_after
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Outlook:
    """What a model and its heads say at each token of logged sequences: of every token, and of the state."""

    logits_BTV: Tensor
    """Of the policy that imitates the log."""
    q_EBTV: Tensor
    """Worth of each token in this state, by each of the Q heads."""
    target_EBT: Tensor
    """Worth of the token that was written, by the lagged copies of those heads; used without gradient."""
    values_BT: Tensor
    """Worth of the state before the token."""


@dataclass(frozen=True)
class ILQL:
    """Two Q heads and a V head that learn from logged tokens and rewards."""

    tau: float = 0.8
    """Expectile that V seeks of the Q values in the log: 0.5 the mean, near 1 the best that was ever done."""
    gamma: float = 0.99
    """Discount per token."""
    cql: float = 0.1
    """Weight of the conservative term, which holds down the Q of tokens that the log does not show."""
    awac: float = 1.0
    """Weight of imitating the log."""
    awac_beta: float = 0.0
    """How much more tokens with an advantage are imitated; 0 imitates all alike."""
    polyak: float = 0.1
    """How far the lagged Q heads move towards the present ones at each sync."""
    sync_every: int = 5
    """Optimiser steps between syncs."""

    def __post_init__(self) -> None:
        if not 0 < self.tau < 1:
            raise Problem(f"tau is {self.tau:g}, it must lie between 0 and 1", where='setting "tau"')
        if not 0 < self.polyak <= 1 or self.sync_every < 1:
            raise Problem(
                f"polyak is {self.polyak:g} and sync_every {self.sync_every}: the lagged heads would never follow",
                where='settings "polyak" and "sync_every"',
                mend="use a polyak above 0, at most 1, and sync every 1 step or more",
            )

    def loss(
        self, outlook: Outlook, tokens_BT: Tensor, rewards_BT: Tensor, mask_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """Sum over tokens of sum_i (Q_i - (r + gamma V'))^2 + expectile(min Q_target - V) + cql CE(Q) + awac CE(pi).

        V' is the value after the next token, without gradient, and 0 at the end.

        Args:
            outlook: see `Outlook`.
            tokens_BT: what was written.
            rewards_BT: what each token earned; as a rule 0 except at the last one.
            mask_BT: True at written tokens.

        Returns:
            (loss sum, number of tokens, metrics).
        """
        count = mask_BT.sum()
        logprobs_BT = -_surprise(outlook.logits_BTV, tokens_BT, mask_BT)
        q_EBTV = masks.kept(outlook.q_EBTV, mask_BT[..., None])
        taken_EBT = q_EBTV.gather(-1, tokens_BT[None, ..., None].expand(len(q_EBTV), -1, -1, 1))[..., 0]
        values_BT = masks.kept(outlook.values_BT, mask_BT)
        earned_BT = masks.kept(rewards_BT, mask_BT) + self.gamma * value_after(values_BT, mask_BT).detach()
        q_loss_BT = masks.kept(((taken_EBT - earned_BT) ** 2).sum(0), mask_BT)
        gap_BT = masks.kept(outlook.target_EBT.detach().amin(0), mask_BT) - values_BT
        v_loss_BT = expectile_loss(gap_BT, self.tau)
        cql_loss_BT = sum(_surprise(q_BTV, tokens_BT, mask_BT) for q_BTV in q_EBTV)
        awac_loss_BT = -torch.exp(self.awac_beta * gap_BT.detach()) * logprobs_BT
        loss_BT = q_loss_BT + v_loss_BT + self.cql * cql_loss_BT + self.awac * awac_loss_BT
        return (
            loss_BT.sum(),
            count,
            {
                "q_loss": (q_loss_BT.sum(), count),
                "v_loss": (v_loss_BT.sum(), count),
                "q_value": (masks.kept(taken_EBT.amin(0), mask_BT).sum(), count),
                "v_value": (values_BT.sum(), count),
                "imitation_loss": (-logprobs_BT.sum(), count),
            },
        )

    def sync(self, step: int, lagged: nn.Module, present: nn.Module) -> None:
        """After optimiser step `step` (from 0): every `sync_every` steps, let the lagged heads follow."""
        if (step + 1) % self.sync_every == 0:
            follow(lagged, present, self.polyak)


def expectile_loss(gap: Tensor, tau: float) -> Tensor:
    """|tau - 1(gap < 0)| gap^2, element by element: its minimum over V, with gap = x - V, is x's tau-expectile."""
    weight = torch.where(gap < 0, 1 - tau, tau)
    return weight * gap**2


@torch.no_grad()
def follow(lagged: nn.Module, present: nn.Module, rate: float) -> None:
    """Move the weights of `lagged` by `rate` of the way to those of `present` (Polyak averaging); 1 copies."""
    for old, new in zip(lagged.parameters(), present.parameters(), strict=True):
        old.lerp_(new, rate)


def _surprise(logits_BTV: Tensor, tokens_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """-log softmax of the written tokens; 0 where masked."""
    all_BTV = masks.kept(logits_BTV, mask_BT[..., None]).log_softmax(-1)
    return masks.kept(-all_BTV.gather(-1, tokens_BT[..., None])[..., 0], mask_BT)
