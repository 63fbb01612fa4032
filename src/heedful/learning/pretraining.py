"""PPO-ptx: a little pretraining at every step, so that reinforcement does not unlearn the language.

Paper: Ouyang et al. 2022, "Training language models to follow instructions with human feedback" (equation 2):

    objective = E[r - beta KL] + gamma * E over pretraining text of log pi

    gradient  = pg_sum / pg_count + gamma * lm_sum / lm_count

Each part is divided by a count of its own, also when both come in micro-batches. It works with every algorithm that
steps by a `Compute`, because it stands between the two. Deviations: the likelihood is a mean over tokens, not a sum
over a text, so gamma does not depend on the length of texts; the paper's gamma is 27.8 on its own scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.metrics import Totals
from heedful.rollouts import Compute, Metrics, Stats
from heedful.seeds import seed_of

Batch = TypeVar("Batch")


@dataclass(frozen=True)
class Pretraining(Generic[Batch]):
    """Where the pretraining text comes from, and what it weighs."""

    coefficient: float
    """gamma."""
    batches: Callable[[int], Sequence[Batch]]
    """seed -> the micro-batches of one optimiser step."""
    loss: Callable[[Batch], tuple[Tensor, Tensor, Metrics]]
    """micro-batch -> (sum of -log pi over tokens, their number, metrics), as `fit` has it."""
    count: Callable[[Batch], float]
    """micro-batch -> the number of tokens that `loss` will give, without computing it."""

    def mixed_into(self, compute: Compute, seed: int) -> Mixed[Batch]:
        """The same `Compute`, with this text in each of its steps; batches follow from `seed`."""
        return Mixed(self, compute, seed)

    def drawn(self, seed: int, step: int) -> tuple[Sequence[Batch], float]:
        """(micro-batches of an update's optimiser step, their tokens).

        Raises:
            Problem: they hold no token.
        """
        batches = self.batches(seed_of(seed, "pretraining", step))
        tokens = sum(self.count(batch) for batch in batches)
        if not tokens:
            raise Problem("the pretraining batch holds no token", mend="give it texts, or set its coefficient to 0")
        return batches, tokens

    def beside(self, count: float, seed: int, seen: Totals) -> list[Callable[[], Tensor]]:
        """The same for a step that is no optimiser's: functions of the weights whose sum is to grow, `count` times the
        mean of gamma * log pi. What they find where there are gradients is added to `seen`."""
        batches, tokens = self.drawn(seed, 0)

        def weighed(batch: Batch) -> Tensor:
            loss_sum, loss_count, _ = self.loss(batch)
            if torch.is_grad_enabled():
                seen.add({"pretraining_loss": (loss_sum, loss_count)})
            return -self.coefficient * (count / tokens) * loss_sum

        return [partial(weighed, batch) for batch in batches]


class Mixed(Generic[Batch]):
    """A `Compute` whose every step also takes pretraining text."""

    def __init__(self, pretraining: Pretraining[Batch], compute: Compute, seed: int) -> None:
        self.pretraining, self.compute, self.seed = pretraining, compute, seed
        self.device: torch.device = compute.device
        self.micro_batch = compute.micro_batch
        self._steps, self._totals = 0, Totals()

    @property
    def learning_rate(self) -> float:
        """That of the `Compute` below."""
        return self.compute.learning_rate

    def prepare(self, groups: Sequence[tuple[Iterable[torch.nn.Parameter], float]]) -> None:
        """Passed on."""
        self.compute.prepare(groups)

    def backward(self, loss_sum: Tensor) -> None:
        """Passed on."""
        self.compute.backward(loss_sum)

    def step(self, count: float, *, learning_rate_scale: float = 1.0) -> float:
        """Add gamma * the mean of the pretraining loss to the gradient (whose sum `count` divides), then step.

        Raises:
            Problem: the pretraining batch holds no token.
        """
        batches, tokens = self.pretraining.drawn(self.seed, self._steps)
        for batch in batches:
            loss_sum, loss_count, _ = self.pretraining.loss(batch)
            self.compute.backward(self.pretraining.coefficient * (count / tokens) * loss_sum)
            self._totals.add({"pretraining_loss": (loss_sum, loss_count)})
        self._steps += 1
        return self.compute.step(count, learning_rate_scale=learning_rate_scale)

    def discard(self) -> None:
        """Passed on."""
        self.compute.discard()

    def save(self, path: Path) -> None:
        """Passed on."""
        self.compute.save(path)

    def load(self, path: Path) -> None:
        """Passed on."""
        self.compute.load(path)

    def stats(self) -> Stats:
        """`pretraining_loss`, over the steps so far."""
        return self._totals.means()
