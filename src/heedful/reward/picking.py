"""Reward models that learn which of several completions people pick, and nothing of the order of the others.

Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences" (arXiv:1909.08593), equation 1: people pick
the best of four. All candidates of a choice stand in one batch element, each forwarded once. A comparison is a choice
of two, so whatever can be compared can be learnt in this way too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heedful.language import prompts as order
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.preferring import Encoding
from heedful.learning.fit import fit
from heedful.learning.preference import pick_best
from heedful.learning.schedules import Schedule
from heedful.records import Pick
from heedful.reward.completions import example_scores, steps_of
from heedful.rollouts import Compute, Metrics, Stats
from heedful.runs import Run
from heedful.seeds import seed_of


@dataclass(frozen=True)
class Choice:
    """A pick in token ids."""

    candidates: list[Example]
    """Two or more completions of one prompt."""
    shares: list[float]
    """Of the votes, one a candidate."""
    weight: float
    """How many votes there are."""

    @property
    def length(self) -> int:
        """Tokens of the longest candidate, to which the others are padded."""
        return max(example.length for example in self.candidates)


def encode_choices(model: ScalarModel, picks: Sequence[Pick], *, skip_overlong: bool = False) -> list[Choice]:
    """Picks in the reward model's token ids; a completion that is too long is cut at its end.

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set.
    """
    encoding, found = Encoding(model.language_model[0], skip_overlong), []
    for pick in picks:
        prompt = encoding.prompt(pick.prompt, f"prompt {pick.prompt.id}")
        if prompt is not None:
            candidates = [Example(prompt, encoding.completion(prompt, text)) for text in pick.texts]
            found.append(Choice(candidates, list(pick.shares), pick.weight))
    return found


def choice_scores(model: ScalarModel, choices: Sequence[Choice]) -> tuple[Tensor, Tensor]:
    """(scores_NK with gradients, mask_NK): K is the largest number of candidates; 0 where a choice has fewer."""
    sizes_N = torch.tensor([len(choice.candidates) for choice in choices], device=model.device)
    mask_NK = torch.arange(int(sizes_N.max()), device=model.device) < sizes_N[:, None]
    scores_X = example_scores(model, [example for choice in choices for example in choice.candidates])
    return scores_X.new_zeros(mask_NK.shape).masked_scatter(mask_NK, scores_X), mask_NK


def fit_choices(
    model: ScalarModel,
    choices: Sequence[Choice],
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
    """Softmax cross-entropy over the candidates of each choice; resumable, see `heedful.learning.fit`.

    `accuracy` is the share of the choices whose most picked candidate has the highest score; of equals, the first.
    """
    size, passes_seed = min(per_step, len(choices)), seed_of(seed, "choices")

    def batches(step: int) -> list[list[Choice]]:
        chosen = sorted(order.batch(choices, step, size, passes_seed), key=lambda choice: choice.length)
        parts = compute.micro_batch or size
        return [chosen[at : at + parts] for at in range(0, size, parts)]

    def loss(batch: list[Choice]) -> tuple[Tensor, Tensor, Metrics]:
        scores_NK, mask_NK = choice_scores(model, batch)
        rows = [choice.shares + [0.0] * (mask_NK.shape[1] - len(choice.shares)) for choice in batch]
        target_NK = torch.tensor(rows, device=model.device)
        weight_N = torch.tensor([choice.weight for choice in batch], device=model.device)
        total, count = pick_best(scores_NK, target_NK, weight_N, mask_NK)
        right_N = scores_NK.masked_fill(~mask_NK, -torch.inf).argmax(1) == target_NK.argmax(1)
        return total, count, {"accuracy": (right_N.sum(), mask_NK.any(1).sum())}

    return fit(
        {"reward": model},
        batches,
        loss,
        compute,
        run,
        steps=steps_of(len(choices), per_step, epochs),
        seed=seed,
        schedule=schedule,
        checkpoint_every=checkpoint_every,
        on_step=on_step,
    )
