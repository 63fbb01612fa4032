"""Stand-ins shared by this room's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from heedful.learning.kl import leashed_rewards
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Rollouts


class Descent:
    """A `Compute` that goes straight down the gradient and remembers every gradient and count it saw."""

    def __init__(self, *, micro_batch: int = 0) -> None:
        self.device, self.micro_batch = torch.device("cpu"), micro_batch
        self.gradients: list[list[Tensor]] = []
        self.counts: list[float] = []
        self.discarded = 0
        self._parameters: list[torch.nn.Parameter] = []
        self.learning_rate = 0.0

    def prepare(self, groups: Sequence[tuple[Iterable[torch.nn.Parameter], float]]) -> None:
        ((parameters, self.learning_rate),) = groups
        self._parameters = list(parameters)

    def backward(self, loss_sum: Tensor) -> None:
        loss_sum.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here

    def step(self, count: float, *, learning_rate_scale: float = 1.0) -> float:
        found = [torch.zeros_like(p) if p.grad is None else p.grad / count for p in self._parameters]
        self.gradients.append(found)
        self.counts.append(count)
        for parameter, gradient in zip(self._parameters, found, strict=True):
            parameter.data -= self.learning_rate * learning_rate_scale * gradient
            parameter.grad = None
        return float(torch.cat([g.flatten() for g in found]).norm())

    def discard(self) -> None:
        self.discarded += 1
        for parameter in self._parameters:
            parameter.grad = None

    def save(self, path: Path) -> None:
        path.touch()

    def load(self, path: Path) -> None: ...


@pytest.fixture
def descent() -> type[Descent]:
    return Descent


def a_scored_batch(
    *, prompts: int = 3, completions: int = 4, vocabulary: int = 4, limit_tokens: int = 3
) -> tuple[TabularPolicy, Rollouts]:
    """A policy that has left its reference, with a critic of random values, and scored completions of its prompts."""
    policy = TabularPolicy(prompts, vocabulary, limit_tokens, seed=0)
    with torch.no_grad():
        policy.logits.add_(torch.from_numpy(np.random.default_rng(1).normal(size=policy.logits.shape)))
        policy.values.add_(torch.from_numpy(np.random.default_rng(2).normal(size=policy.values.shape)))
    rollouts = policy.sample(torch.arange(prompts).repeat_interleave(completions), seed=0)
    assert rollouts.ref_logprobs_BT is not None
    scores_B = torch.from_numpy(np.random.default_rng(3).normal(size=prompts * completions))
    rewards_BT = leashed_rewards(scores_B, rollouts.logprobs_BT, rollouts.ref_logprobs_BT, rollouts.mask_BT, 0.1)
    return policy, rollouts.with_(scores_B=scores_B, rewards_BT=rewards_BT)


@pytest.fixture
def batch() -> Callable[..., tuple[TabularPolicy, Rollouts]]:
    """Makes a policy and its scored batch: twelve completions of three prompts unless told otherwise."""
    return a_scored_batch
