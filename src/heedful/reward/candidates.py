"""Training on one or several completions of a prompt at a time: each is forwarded once, a loss reads all their scores.

Ouyang et al. 2022 (InstructGPT), section 3.5: what was judged together stands in one batch element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from heedful.language import prompts as order
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.learning.fit import fit
from heedful.learning.schedules import Schedule
from heedful.reward.completions import example_scores, steps_of
from heedful.rollouts import Compute, Metrics, Stats
from heedful.runs import Run
from heedful.seeds import seed_of


class Candidates(Protocol):
    """Completions that a loss looks at together."""

    @property
    def candidates(self) -> Sequence[Example]:
        """In token ids, all of one prompt."""
        ...


Item = TypeVar("Item", bound=Candidates)

ScoresLoss = Callable[[Tensor, Tensor, list[Item]], tuple[Tensor, Tensor, Metrics]]
"""(scores_NK, mask_NK, N items) -> (sum, count, metrics)."""


def length(item: Candidates) -> int:
    """Tokens of the longest candidate, to which the others are padded."""
    return max(example.length for example in item.candidates)


def candidate_scores(model: ScalarModel, items: Sequence[Candidates]) -> tuple[Tensor, Tensor]:
    """(scores_NK with gradients, mask_NK): K is the largest number of candidates; 0 where an item has fewer."""
    sizes_N = torch.tensor([len(item.candidates) for item in items], device=model.device)
    mask_NK = torch.arange(int(sizes_N.max()), device=model.device) < sizes_N[:, None]
    scores_X = example_scores(model, [example for item in items for example in item.candidates])
    return scores_X.new_zeros(mask_NK.shape).masked_scatter(mask_NK, scores_X), mask_NK


def fit_candidates(
    model: ScalarModel,
    items: Sequence[Item],
    scores_loss: ScoresLoss[Item],
    compute: Compute,
    run: Run,
    *,
    epochs: float,
    per_step: int,
    seed: int,
    schedule: Schedule,
    checkpoint_every: int = 0,
    on_step: Callable[[int, Stats], Stats | None] | None = None,
) -> Stats:
    """Descend a loss of the candidates' scores; resumable, see `heedful.learning.fit`."""
    size, passes_seed = min(per_step, len(items)), seed_of(seed, "choices")

    def batches(step: int) -> list[list[Item]]:
        chosen = sorted(order.batch(items, step, size, passes_seed), key=length)
        parts = compute.micro_batch or size
        return [chosen[at : at + parts] for at in range(0, size, parts)]

    return fit(
        {"reward": model},
        batches,
        lambda batch: scores_loss(*candidate_scores(model, batch), batch),
        compute,
        run,
        steps=steps_of(len(items), per_step, epochs),
        seed=seed,
        schedule=schedule,
        checkpoint_every=checkpoint_every,
        on_step=on_step,
    )
