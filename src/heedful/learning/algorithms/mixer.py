"""MIXER: the first tokens of a sequence are learnt from people, the rest from reward; the boundary moves forward.

Paper: Ranzato et al. 2016, "Sequence Level Training with Recurrent Neural Networks" (arXiv:1511.06732, section
3.2.2 and algorithm 1). A sequence begins with s tokens that somebody wrote, learnt by cross-entropy; the policy
goes on by itself, and those tokens are learnt by REINFORCE with the reward of the whole. Training begins with
cross-entropy alone (s is the full length), then s falls by delta, and again, until reward is all there is.
Deviation: the baseline is the batch's mean reward to go over the policy's own tokens, as in `reinforce`; the
paper fits a linear one to the hidden states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning import masks
from heedful.learning.advantages import reward_to_go
from heedful.learning.algorithms.reinforce import REINFORCE
from heedful.learning.surrogates import averaged, needed, rewards_of
from heedful.learning.updates import by_gradient
from heedful.rollouts import Evaluation, Metrics, Rollouts

GIVEN = "given_tokens_B"
"""Under this name in `Rollouts.extras`: int64, how many tokens at the beginning of each row somebody else wrote."""

MOVES = 8
"""How often the boundary moves where neither its steps nor its tokens are said, and the run is long enough."""


@dataclass(frozen=True)
class Annealing:
    """How many tokens are given: all of them at first, then fewer and fewer."""

    length_tokens: int
    """T: at first so many are given, which is everything."""
    first_steps: int
    """Steps of cross-entropy alone."""
    every_steps: int
    """Steps between one boundary and the next."""
    delta_tokens: int
    """By how much the boundary moves."""

    def __post_init__(self) -> None:
        if min(self.length_tokens, self.every_steps, self.delta_tokens) < 1 or self.first_steps < 0:
            raise Problem(
                "the boundary between imitation and reward would never move",
                where="annealing of MIXER",
                mend="give a length, a delta and a number of steps between boundaries that are at least 1",
            )

    def __call__(self, step: int) -> int:
        """s, the number of given tokens at `step` (from 0)."""
        if step < self.first_steps:
            return self.length_tokens
        moved = 1 + (step - self.first_steps) // self.every_steps
        return max(0, self.length_tokens - moved * self.delta_tokens)


@dataclass(frozen=True)
class MIXER:
    """Cross-entropy on given tokens, the policy gradient on the policy's own."""

    baseline: Literal["batch", "none"] = "batch"
    """What is subtracted from the reward to go of own tokens: its mean over those of the batch, or nothing."""
    imitation_coefficient: float = 1.0
    """Weight of a given token's cross-entropy beside the rewards."""
    gamma: float = 1.0
    """Discount per token."""
    first_steps: int = 0
    """Steps of cross-entropy alone; 0: a quarter of the run's."""
    every_steps: int = 0
    """Steps between one boundary and the next; 0: so that the run's last quarter is reward alone."""
    delta_tokens: int = 0
    """By how many tokens the boundary moves; 0: an eighth of the longest answer, more where the run is short."""
    needs_critic: ClassVar[bool] = False
    epochs: ClassVar[int] = 1
    minibatches: ClassVar[int] = 1
    approx_kl_limit: ClassVar[float | None] = None

    def annealing(self, steps: int, length_tokens: int) -> Annealing:
        """The schedule of a run of `steps` steps whose longest answer has `length_tokens`; what is 0 is filled in.

        Raises:
            Problem: a setting is negative.
        """
        first = self.first_steps or max(1, steps // 4)
        between = max(1, 3 * steps // 4 - first)
        moves = between // self.every_steps if self.every_steps > 0 else min(MOVES, between)
        delta = self.delta_tokens or -(-length_tokens // max(1, moves))
        every = self.every_steps or max(1, between // max(1, -(-length_tokens // delta)))
        return Annealing(length_tokens, first, every, delta)

    def credit(self, rollouts: Rollouts) -> tuple[Tensor, Tensor]:
        """(advantages_BT, returns_BT): the imitation's weight at given tokens, reward to go less baseline at own.

        Raises:
            Problem: the rollouts do not say how many tokens were given.
        """
        mask_BT = rollouts.mask_BT
        own_BT = mask_BT & ~given_tokens(rollouts)
        returns_BT = reward_to_go(rewards_of(rollouts, "MIXER"), mask_BT, self.gamma)
        advantages_BT = returns_BT
        if self.baseline == "batch" and bool(own_BT.any()):
            advantages_BT = advantages_BT - masks.mean(returns_BT, own_BT)
        advantages_BT = torch.where(own_BT, advantages_BT, self.imitation_coefficient)
        return masks.kept(advantages_BT, mask_BT), returns_BT

    def averaged(self, x_BT: Tensor, mask_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(sum, count): sums over completions, averaged over the completions."""
        return averaged(x_BT, mask_BT, "sum")

    def loss(
        self, evaluation: Evaluation, rollouts: Rollouts, advantages_BT: Tensor, returns_BT: Tensor
    ) -> tuple[Tensor, Tensor, Metrics]:
        """-A log pi, as REINFORCE: with A = 1 it is the cross-entropy."""
        loss_sum, count, metrics = REINFORCE().loss(evaluation, rollouts, advantages_BT, returns_BT)
        share = (given_tokens(rollouts).sum(), rollouts.mask_BT.sum())
        return loss_sum, count, {**metrics, "given_fraction": share}

    update = by_gradient


def given_tokens(rollouts: Rollouts) -> Tensor:
    """bool_BT: True at tokens that somebody else wrote.

    Raises:
        Problem: the rollouts do not say how many there are.
    """
    given_B = needed(rollouts.extras.get(GIVEN), "MIXER", "given tokens", f"collect with {GIVEN} in the extras")
    return rollouts.mask_BT & (rollouts.mask_BT.cumsum(1) <= given_B[:, None])
