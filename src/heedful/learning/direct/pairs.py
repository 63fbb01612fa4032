"""What a direct loss sees: completions as log-probabilities, and what people said of them.

A direct loss teaches a policy from preferences without a reward model in between. It sees N completions (or N pairs of
them) as sums of token log-probabilities, and returns (sum, count, metrics); `fit` divides. Prompt tokens never enter:
whoever fills a `Side` sums over the completion alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.preference import check_votes
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Side:
    """N completions."""

    logprobs_N: Tensor
    """Nats under the policy that learns, summed over the completion's tokens; with gradients."""
    tokens_N: Tensor
    """How many tokens each has; 1 or more."""
    ref_logprobs_N: Tensor | None = None
    """The same sum under the frozen reference."""

    def log_ratio(self) -> Tensor:
        """(N,): log pi - log pi_ref of whole completions, nats.

        Raises:
            Problem: there are no reference log-probabilities.
        """
        if self.ref_logprobs_N is None:
            raise Problem(
                "this loss needs log-probabilities under a reference, and there are none",
                mend="give them, or choose a loss without a reference: simpo, orpo, slic",
            )
        return self.logprobs_N - self.ref_logprobs_N

    def mean_logprobs(self) -> Tensor:
        """(N,): log pi per token, nats."""
        return self.logprobs_N / self.tokens_N


@dataclass(frozen=True)
class Pairs:
    """N comparisons: two completions of one prompt each, and how often people preferred the first."""

    a: Side
    b: Side
    target_N: Tensor
    """How often people preferred a, 0..1; 1/2 is a tie."""
    weight_N: Tensor | None = None
    """How many votes stand behind a target; 1 if not given."""
    margin_N: Tensor | None = None
    """By how much the rewards should differ, whichever side people prefer; 0 if not given. Only dpo and simpo ask."""


class PairLoss(Protocol):
    """A loss on pairs: a frozen dataclass of its settings, called with `Pairs`."""

    @property
    def needs_reference(self) -> bool:
        """Whether the sides must carry `ref_logprobs_N`."""
        ...

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """(sum over pairs of weight times loss, sum of the weights, metrics)."""
        ...

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: the reward that the policy implies, by which it orders completions."""
        ...


def pooled(loss_of: Callable[[Tensor], Tensor], gap_N: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """(sum, count) over all votes behind the pairs: weight (target loss(gap) + (1 - target) loss(-gap)).

    Every vote for a is a loss of the gap a - b, every vote for b one of b - a, and a tie half of each. One soft target
    therefore gives what its votes give one by one.

    Raises:
        Problem: a target outside 0..1, or a weight that is negative or not finite.
    """
    weight_N, target_N = weights(pairs), pairs.target_N.to(gap_N.dtype)
    check_votes(target_N, weight_N)
    loss_N = target_N * loss_of(gap_N) + (1 - target_N) * loss_of(-gap_N)
    return (weight_N * loss_N).sum(), weight_N.sum()


def imitation(logprobs_a_N: Tensor, logprobs_b_N: Tensor, pairs: Pairs) -> Tensor:
    """Sum over all votes of -log pi of the side that the vote prefers; a tie is half of each."""
    target_N = pairs.target_N.to(logprobs_a_N.dtype)
    return -(weights(pairs) * (target_N * logprobs_a_N + (1 - target_N) * logprobs_b_N)).sum()


def weights(pairs: Pairs) -> Tensor:
    """weight_N, 1 where none is given."""
    like_N = pairs.a.logprobs_N
    return torch.ones_like(like_N) if pairs.weight_N is None else pairs.weight_N.to(like_N.dtype)


def smoothed(target_N: Tensor, label_smoothing: float) -> Tensor:
    """Targets when each vote was turned round with this probability: t (1 - e) + (1 - t) e."""
    return target_N * (1 - label_smoothing) + (1 - target_N) * label_smoothing


def observe(rewards_a_N: Tensor, rewards_b_N: Tensor, target_N: Tensor) -> Metrics:
    """What is logged of decided pairs (target not 1/2): accuracy, and the rewards of both sides.

    Equal rewards are half right. Both sides' rewards are logged because a margin can grow while both fall: the policy
    then moves to texts that are in no pair.
    """
    decided_N = target_N != 0.5
    first_N = target_N > 0.5
    better_N = torch.where(first_N, rewards_a_N, rewards_b_N).detach()
    worse_N = torch.where(first_N, rewards_b_N, rewards_a_N).detach()
    count = decided_N.sum()

    def total(x_N: Tensor) -> Tensor:
        return torch.where(decided_N, x_N, torch.zeros_like(x_N)).sum()

    return {
        "accuracy": (total((torch.sign(better_N - worse_N) + 1) / 2), count),
        "reward_margin": (total(better_N - worse_N), count),
        "reward_preferred": (total(better_N), count),
        "reward_other": (total(worse_N), count),
    }


def positive(name: str, value: float) -> None:
    """Refuse a setting that must be above 0.

    Raises:
        Problem: it is not.
    """
    if not 0 < value < float("inf"):
        raise Problem(f"{name} is {value}, it must be above 0", where=f'setting "{name}"')


def share(name: str, value: float) -> None:
    """Refuse a probability that must lie in [0, 1/2): at one half a label says nothing.

    Raises:
        Problem: it does not.
    """
    if not 0 <= value < 0.5:
        raise Problem(f"{name} is {value}, it must lie in [0, 0.5)", where=f'setting "{name}"')
