"""KTO: learns from single completions that somebody called good or bad; nothing has to be compared.

Paper: Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization", equation 8. A completion is
worth what it gains over a reference point z, the policy's KL from the reference: with r = log pi - log pi_ref,

    good: lambda_D (1 - sigmoid(beta (r - z)))        bad: lambda_U (1 - sigmoid(beta (z - r)))

z is estimated on mismatched pairs (a prompt with the completion of another), clamped at 0, and no gradient goes through
it. It belongs to the whole optimiser step, so it is an input of the loss: micro-batches cannot change it.

Addition: soft labels and weights, so that several people's labels of one completion count as they would one by one.
Deviation: the partner of a completion is drawn once from all examples, not from its batch, so that the reference's
log-probabilities can be computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from heedful.learning.direct.pairs import Side, positive
from heedful.learning.preference import check_votes
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Marks:
    """N single completions and how often people called each good."""

    side: Side
    good_N: Tensor
    """Share of the labels that say good, 0..1."""
    weight_N: Tensor
    """How many labels there are."""
    z: Tensor
    """Scalar, nats: the reference point of this step, see `reference_point`."""


def reference_point(mismatched: Side) -> Tensor:
    """Scalar z = max(0, mean of log pi - log pi_ref over mismatched pairs), without gradient."""
    return mismatched.log_ratio().detach().mean().clamp(min=0)


@dataclass(frozen=True)
class KTO:
    """Learning from thumbs: good completions above the reference point, bad ones below."""

    beta: float = 0.1
    """How soon a gain or a loss saturates, and so how far the policy goes."""
    desirable_weight: float = 1.0
    """lambda_D: what a completion called good counts."""
    undesirable_weight: float = 1.0
    """lambda_U: what a completion called bad counts; keep (lambda_D good) / (lambda_U bad) within 1 to 1.5."""
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("beta", "desirable_weight", "undesirable_weight"):
            positive(name, getattr(self, name))

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: beta (log pi - log pi_ref)."""
        return self.beta * side.log_ratio()

    def __call__(self, marks: Marks) -> tuple[Tensor, Tensor, Metrics]:
        """w [g lambda_D (1 - sigmoid(beta (r - z))) + (1 - g) lambda_U (1 - sigmoid(beta (z - r)))], summed.

        The count is the sum of the weights w: how many labels there were.
        """
        rewards_N = self.rewards(marks.side)
        good_N, weight_N = marks.good_N.to(rewards_N.dtype), marks.weight_N.to(rewards_N.dtype)
        check_votes(good_N, weight_N)
        gain_N = rewards_N - self.beta * marks.z.detach()
        praise_N = self.desirable_weight * torch.sigmoid(-gain_N)
        blame_N = self.undesirable_weight * torch.sigmoid(gain_N)
        total = (weight_N * (good_N * praise_N + (1 - good_N) * blame_N)).sum()
        return total, weight_N.sum(), _observe(rewards_N.detach(), gain_N.detach(), marks)


def _observe(rewards_N: Tensor, gain_N: Tensor, marks: Marks) -> Metrics:
    """Accuracy (gain above 0 where good, below where bad), rewards of good and of bad completions, and z."""
    good_N, bad_N = marks.good_N > 0.5, marks.good_N < 0.5
    right_N = (good_N & (gain_N > 0)) | (bad_N & (gain_N < 0))
    none_N = torch.zeros_like(rewards_N)
    return {
        "accuracy": (right_N.sum(), (good_N | bad_N).sum()),
        "reward_preferred": (torch.where(good_N, rewards_N, none_N).sum(), good_N.sum()),
        "reward_other": (torch.where(bad_N, rewards_N, none_N).sum(), bad_N.sum()),
        "reference_point": (marks.z * len(rewards_N), torch.full_like(marks.z, len(rewards_N))),
    }
